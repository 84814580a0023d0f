//! What must hold (PROTOCOL.md §12), one property to a file. Oracles see what users see, what homeservers answer
//! and what their stores commit; they know nothing of how any of it came about.

use phoenix_core::{
    client::{Event, GroupView},
    identifiers::UserId,
    store::Commit,
};

use crate::{disk::Disk, schedule::EventNumber};

pub mod acknowledged;
pub mod drained;
pub mod duplicates;
pub mod enqueued;
pub mod epochs;
pub mod order;
pub mod queues;
pub mod refused;
pub mod tokens;

/// A property that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The oracle that found it.
    pub oracle: &'static str,
    /// What is wrong.
    pub what: String,
    /// The event that first concerned what is now wrong, if it was another than the current one.
    pub since: Option<EventNumber>,
}

impl Violation {
    /// A violation found in the current event.
    pub fn now(oracle: &'static str, what: String) -> Self {
        Self { oracle, what, since: None }
    }
}

/// All oracles of a world.
#[derive(Default)]
pub struct Oracles {
    /// Acknowledged messages reach every member of their epoch.
    pub acknowledged: acknowledged::Acknowledged,
    /// Nothing reaches a member twice.
    pub duplicates: duplicates::Duplicates,
    /// Everything enters each queue once.
    pub enqueued: enqueued::Enqueued,
    /// Members agree on epochs and their secrets.
    pub epochs: epochs::Epochs,
    /// One order per group, without forks.
    pub order: order::Order,
    /// What attackers try is refused.
    pub refused: refused::Refused,
    /// No token is spent twice.
    pub tokens: tokens::Tokens,
}

/// What a user's client says, and the group that it says it of, as the client sees it then.
pub struct Observation<'a> {
    /// The user's number in the plan.
    pub user: usize,
    /// The user's name.
    pub user_id: &'a UserId,
    /// What the client says.
    pub event: &'a Event,
    /// All its groups.
    pub groups: &'a [GroupView],
    /// The current event of the world.
    pub number: EventNumber,
}

impl Oracles {
    /// A client has said something.
    ///
    /// # Errors
    /// The first property that it violates.
    pub fn observe(&mut self, observation: &Observation<'_>) -> Result<(), Violation> {
        self.refused.observe(observation)?;
        queues::observe(observation)?;
        self.epochs.observe(observation)?;
        self.duplicates.observe(observation)?;
        self.order.observe(observation)?;
        self.acknowledged.observe(observation)
    }

    /// A homeserver has answered a request.
    ///
    /// # Errors
    /// The first property that it violates.
    pub fn answered(&mut self, server: usize, request: &[u8], reply: &[u8]) -> Result<(), Violation> {
        self.order.answered(request, reply)?;
        self.tokens.answered(server, request, reply)
    }

    /// A store is about to apply a commit whose expectations hold.
    ///
    /// # Errors
    /// The first property that it violates.
    pub fn commits(&mut self, server: usize, disk: &Disk, commit: &Commit) -> Result<(), Violation> {
        self.enqueued.commits(server, disk, commit)?;
        self.tokens.commits(disk, commit)
    }
}
