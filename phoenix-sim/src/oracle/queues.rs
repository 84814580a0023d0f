//! R1, R2 — the owner of a queue can read everything in it, and finds gap markers only where a limit was
//! exceeded.

use phoenix_core::{client::Event, wire::fan_out::GapReason};

use super::{
    excused::Excused, observation::Observation, repaired::Repaired, restored::Restored, violation::Violation,
};
use crate::names;

/// Checks an event that a client reports.
///
/// # Errors
/// The client cannot read or process an entry, or finds a marker in place of a message of one of its groups,
/// and neither `restored` nor `excused` nor `repaired` excepts it.
pub fn observe(
    observation: &Observation<'_>,
    restored: &Restored,
    excused: &Excused,
    repaired: &Repaired,
) -> Result<(), Violation> {
    let user = observation.user_id;
    let excepted = |group| {
        restored.excepts(user, group) || excused.has_lost(user, group) || repaired.excepts(user, group)
    };
    let may_miss = |group| excepted(group) || repaired.may_miss(user, group);
    let wrong = match observation.event {
        Event::Gap { group, reason, .. } => {
            // No plan exceeds a limit. Unauthorised deliveries are attacks, which `refused` checks.
            let own = observation.groups.iter().any(|view| view.group_id == *group);
            (*reason != GapReason::NotAuthorised || own) && !may_miss(group)
        }
        // Generated users invite their contacts only and attackers invite no one, so no invitation is
        // declined.
        Event::Declined { group, .. }
        | Event::Missing { group, .. }
        | Event::CommitUnprocessable { group, .. } => !may_miss(group),
        Event::MessageUnreadable { group, .. } => !excepted(group),
        // An older copy cannot read on behind a key that it has not got.
        Event::QueueUnreadable { direct, .. } => {
            let is_damaged = !*direct && repaired.is_queue_damaged(user);
            !restored.is_older(user) && !restored.has_gone_back(user) && !is_damaged
        }
        Event::Removed(_) => true,
        Event::Registered
        | Event::ConnectionRequested(_)
        | Event::Connected(_)
        | Event::GroupCreated { .. }
        | Event::Joined(_)
        | Event::MessageAcknowledged { .. }
        | Event::Message { .. }
        | Event::EpochChanged { .. }
        | Event::QueueRestored { .. }
        | Event::BackgroundFailure(_)
        | Event::Done { .. }
        | Event::OldCopy => false,
    };
    if wrong {
        let user = observation.user_id;
        let what = format!("{user} {}", names::client_event(observation.event));
        let should = format!("{user} can read all that is in its queues, and misses nothing of its groups.");
        return Err(Violation::now("queues", what, should));
    }
    Ok(())
}
