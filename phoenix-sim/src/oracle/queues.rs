//! R1, R2 — the owner of a queue can read everything in it, and finds gap markers only where a limit was
//! exceeded.

use phoenix_core::{client::Event, wire::fan_out::GapReason};

use super::{observation::Observation, repaired::Repaired, restored::Restored, violation::Violation};

/// Checks an event that a client reports.
///
/// # Errors
/// The client cannot read or process an entry, or finds a marker in place of a message of one of its groups,
/// and neither `restored` nor `repaired` excepts it.
pub fn observe(
    observation: &Observation<'_>,
    restored: &Restored,
    repaired: &Repaired,
) -> Result<(), Violation> {
    let user = observation.user_id;
    let excepted = |group| restored.excepts(user, group) || repaired.excepts(user, group);
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
        Event::QueueUnreadable { direct, .. } => {
            let is_excepted = if *direct { restored.is_older(user) } else { repaired.is_queue_damaged(user) };
            !is_excepted
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
        let what = format!("{}: {:?}", observation.user_id, observation.event);
        return Err(Violation::now("queues", what));
    }
    Ok(())
}
