//! R1, R2 — every queue can be read by its owner, and markers come only where a bound was hit.

use phoenix_core::{client::Event, wire::fan_out::GapReason};

use super::{Observation, Violation};

/// A client has said something.
///
/// # Errors
/// Something that its owner cannot read or follow, or a marker in place of a message of one of its groups.
pub fn observe(observation: &Observation<'_>) -> Result<(), Violation> {
    let wrong = match observation.event {
        Event::Gap { group, reason, .. } => {
            // No plan hits a bound. What nobody authorised is the attackers' (see `refused`).
            let own = observation.groups.iter().any(|view| view.group_id == *group);
            *reason != GapReason::NotAuthorised || own
        }
        // Attackers make no invitations, and nobody here invites or asks whom it should not.
        Event::Declined { .. }
        | Event::Missing { .. }
        | Event::MessageUnreadable { .. }
        | Event::CommitUnprocessable { .. }
        | Event::QueueUnreadable { .. }
        | Event::Removed(_) => true,
        _ => false,
    };
    if wrong {
        let what = format!("{}: {:?}", observation.user_id, observation.event);
        return Err(Violation::now("queues", what));
    }
    Ok(())
}
