//! What oracles see of a user.

use phoenix_core::{
    client::{Event, GroupView},
    identifiers::UserId,
    time::Timestamp,
};

use crate::schedule::EventNumber;

/// A moment of a world.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The time by the clock of the homeserver concerned.
    pub now: Timestamp,
    /// The event of the world.
    pub number: EventNumber,
}

/// An event that a user's client reports.
pub struct Observation<'a> {
    /// The index of the user in the plan.
    pub user: usize,
    /// The id of the user.
    pub user_id: &'a UserId,
    /// What the client reports.
    pub event: &'a Event,
    /// All groups of the client as it sees them now. Empty for events that change no group.
    pub groups: &'a [GroupView],
    /// The event of the world during which it is reported.
    pub number: EventNumber,
    /// How many events of the world have begun. Numbers of events say nothing of their order; this does.
    pub step: u64,
}
