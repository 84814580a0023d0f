//! All oracles of a world together.

use std::collections::BTreeSet;

use phoenix_core::{
    identifiers::{GroupId, UserId},
    store::{Commit, RecordKind, Write},
    time::Timestamp,
};

use super::{
    acknowledged::Acknowledged, allowances::Allowances, change::Change, counted, duplicates::Duplicates,
    effects::Effects, enqueued::Enqueued, epochs::Epochs, kept, observation::Observation, order::Order,
    queues, refused::Refused, restored::Restored, rows::Rows, secrecy::Secrecy, tokens::Tokens,
    violation::Violation, waiting,
};
use crate::{disk::Disk, schedule::EventNumber};

/// The oracles that remember what they have seen. [`queues`] and [`drained`](super::drained) need no memory.
#[derive(Default)]
pub struct Oracles {
    /// An acknowledged message reaches every member of its epoch.
    pub acknowledged: Acknowledged,
    /// No message reaches a member twice.
    pub duplicates: Duplicates,
    /// Timers are woken, and clients signalled.
    pub effects: Effects,
    /// Opens rows for `order` and `enqueued`.
    pub rows: Rows,
    /// Every delivery enters its queue once.
    pub enqueued: Enqueued,
    /// Members of an epoch agree on its secrets and its members.
    pub epochs: Epochs,
    /// A group has one order, without forks.
    pub order: Order,
    /// No more tokens than are allowed.
    pub allowances: Allowances,
    /// No row holds a key of the past.
    pub secrecy: Secrecy,
    /// No attack succeeds.
    pub refused: Refused,
    /// A client that is restored goes on from what it saved.
    pub restored: Restored,
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
        self.restored.observe(observation)?;
        queues::observe(observation, &self.restored)?;
        self.epochs.observe(observation)?;
        self.duplicates.observe(observation)?;
        self.order.observe(observation)?;
        self.acknowledged.observe(observation)
    }

    /// Notes that the client of a user is to be restored from a copy of its device that was made in the step
    /// `since`: what the user has seen since then counts as not seen. `lost` are the groups that the client
    /// was in, or on its way into, when it crashed in the event `number`.
    pub fn goes_back(&mut self, user: &UserId, since: u64, lost: BTreeSet<GroupId>, number: EventNumber) {
        self.acknowledged.goes_back(user, since);
        self.duplicates.goes_back(user, since);
        self.order.goes_back(user, since);
        self.restored.goes_back(user, since, lost, number);
    }

    /// Checks the reply of a homeserver to a request. By its clock, it is `now`.
    ///
    /// # Errors
    /// The first property that it violates.
    pub fn answered(
        &mut self,
        server: usize,
        now: Timestamp,
        request: &[u8],
        reply: &[u8],
    ) -> Result<(), Violation> {
        self.order.answered(request, reply)?;
        self.tokens.answered(server, request, reply)?;
        self.allowances.answered(&self.rows, server, request, reply, now)
    }

    /// Checks a commit whose expectations hold, before the store of homeserver `server` applies it. By its
    /// clock, it is `now`.
    ///
    /// # Errors
    /// The first property that it violates.
    pub fn commits(
        &mut self,
        server: usize,
        now: Timestamp,
        disk: &Disk,
        commit: &Commit,
    ) -> Result<(), Violation> {
        let is_new = |write: &&Write| write.bytes.is_some() && disk.rows.get(&write.key).is_none();
        for write in commit.writes.iter().filter(is_new) {
            let kind = write.key.kind();
            if kind == RecordKind::FanOutRow
                && let Some(logged) = self.rows.logged_message(server, write)
            {
                self.order.logged(&logged);
                self.restored.logged(&logged);
                self.enqueued.logged(&mut self.rows, &logged);
            }
            if kind == RecordKind::FanOutQueueEntry {
                self.enqueued.entered(write)?;
            }
        }
        self.tokens.commits(disk, commit)?;
        let change = Change::new(&self.rows, server, disk, commit);
        counted::commits(&change)?;
        waiting::commits(&change)?;
        kept::commits(&change, now)?;
        self.secrecy.commits(&change, now)?;
        self.allowances.commits(&change)
    }
}
