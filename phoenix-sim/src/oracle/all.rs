//! All oracles of a world together.

use phoenix_core::store::{Commit, RecordKind, Write};

use super::{
    acknowledged::Acknowledged, duplicates::Duplicates, enqueued::Enqueued, epochs::Epochs,
    observation::Observation, order::Order, queues, refused::Refused, rows::Rows, tokens::Tokens,
    violation::Violation,
};
use crate::disk::Disk;

/// The oracles that remember what they have seen. [`queues`] and [`drained`](super::drained) need no memory.
#[derive(Default)]
pub struct Oracles {
    /// An acknowledged message reaches every member of its epoch.
    pub acknowledged: Acknowledged,
    /// No message reaches a member twice.
    pub duplicates: Duplicates,
    /// Opens rows for `order` and `enqueued`.
    pub rows: Rows,
    /// Every delivery enters its queue once.
    pub enqueued: Enqueued,
    /// Members of an epoch agree on its secrets and its members.
    pub epochs: Epochs,
    /// A group has one order, without forks.
    pub order: Order,
    /// No attack succeeds.
    pub refused: Refused,
    /// No token is spent twice.
    pub tokens: Tokens,
}

impl Oracles {
    /// Checks an event that a client reports.
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

    /// Checks the reply of a homeserver to a request.
    ///
    /// # Errors
    /// The first property that it violates.
    pub fn answered(&mut self, server: usize, request: &[u8], reply: &[u8]) -> Result<(), Violation> {
        self.order.answered(request, reply)?;
        self.tokens.answered(server, request, reply)
    }

    /// Checks a commit whose expectations hold, before the store of homeserver `server` applies it.
    ///
    /// # Errors
    /// The first property that it violates.
    pub fn commits(&mut self, server: usize, disk: &Disk, commit: &Commit) -> Result<(), Violation> {
        let is_new = |write: &&Write| write.bytes.is_some() && disk.rows.get(&write.key).is_none();
        for write in commit.writes.iter().filter(is_new) {
            let kind = write.key.kind();
            if kind == RecordKind::FanOutRow
                && let Some(logged) = self.rows.logged_message(server, write)
            {
                self.order.logged(&logged);
                self.enqueued.logged(&mut self.rows, &logged);
            }
            if kind == RecordKind::FanOutQueueEntry {
                self.enqueued.entered(write)?;
            }
        }
        self.tokens.commits(disk, commit)
    }
}
