//! All oracles of a world together.

use std::collections::BTreeSet;

use phoenix_core::{
    identifiers::{Domain, GroupId, UserId},
    store::{Commit, MemoryStore, RecordKind, Write},
};

use super::{
    acknowledged::Acknowledged,
    duplicates::Duplicates,
    enqueued::Enqueued,
    epochs::Epochs,
    observation::Observation,
    order::Order,
    queues,
    refused::Refused,
    repaired::{Reader, Repaired},
    restored::Restored,
    reuse::Reuse,
    rows::Rows,
    tokens::Tokens,
    violation::Violation,
};
use crate::{disk::Disk, journal::Unsynced, schedule::EventNumber};

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
    /// A client that is restored goes on from what it saved.
    pub restored: Restored,
    /// No nonce meets one key twice.
    pub reuse: Reuse,
    /// What a restored store has lost is what cannot be had again.
    pub repaired: Repaired,
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
        queues::observe(observation, &self.restored, &self.repaired)?;
        self.repaired.observe(observation, self.restored.is_older(observation.user_id))?;
        self.epochs.observe(observation, &self.repaired)?;
        if self.repaired.is_doubtful(observation.event) {
            return Ok(());
        }
        self.restored.distinguishes(observation)?;
        self.duplicates.observe(observation)?;
        self.order.observe(observation)?;
        self.acknowledged.observe(observation)
    }

    /// Notes that the client of a user is to be restored from a copy of its device that was made in the step
    /// `since`: what the user has seen since then counts as not seen. `lost` are the groups that the client was
    /// in, or on its way into, when it crashed in the event `number`.
    pub fn goes_back(&mut self, user: &UserId, since: u64, lost: BTreeSet<GroupId>, number: EventNumber) {
        self.acknowledged.goes_back(user, since);
        self.duplicates.goes_back(user, since);
        self.order.goes_back(user, since);
        self.restored.goes_back(user, since, lost, number);
    }

    /// Notes that a copy of the store of the homeserver that owns `domain` is made for a fault.
    pub fn store_copied(&mut self, fault: usize, domain: &Domain, step: u64) {
        let (ends, behind) = (self.enqueued.ends(), self.enqueued.behind());
        self.repaired.copied(fault, domain, step, ends, behind);
    }

    /// Notes that the copy made for a fault takes the place of the store of the homeserver that owns `domain`,
    /// and which rows are there before and after.
    pub fn store_restored(
        &mut self,
        (fault, domain): (usize, &Domain),
        rows: (&MemoryStore, &MemoryStore),
        readers: &[Reader],
        at: (u64, EventNumber),
    ) {
        let back = self.repaired.restored(fault, rows, readers, at);
        for (group, first) in back {
            let is_stuck = self.repaired.is_stuck(&group);
            self.acknowledged.group_goes_back(&group, first);
            self.duplicates.group_goes_back(&group, first);
            self.order.group_goes_back(&group, first, is_stuck);
            self.restored.group_goes_back(&group, first);
        }
        self.enqueued.except_homeserver(domain);
    }

    /// Checks the reply of a homeserver to a request.
    ///
    /// # Errors
    /// The first property that it violates.
    pub fn answered(&mut self, server: usize, request: &[u8], reply: &[u8]) -> Result<(), Violation> {
        self.order.answered(request, reply)?;
        self.reuse.answered(request, reply)?;
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
            self.reuse.entered(server, write)?;
            if kind == RecordKind::FanOutRow
                && let Some(logged) = self.rows.logged_message(server, write)
            {
                self.order.logged(&logged);
                self.restored.logged(&logged);
                self.repaired.logged(&logged);
                self.enqueued.logged(&mut self.rows, &logged);
            }
            if kind == RecordKind::FanOutQueueEntry {
                self.enqueued.entered(write)?;
            }
        }
        self.tokens.commits(disk, commit)
    }

    /// Notes that the store of homeserver `server` has lost a commit that it had applied.
    pub fn rolled_back(&mut self, server: usize, lost: &Unsynced) {
        for write in lost.commit.writes.iter().filter(|write| write.bytes.is_some()) {
            if !lost.created(&write.key) {
                continue;
            }
            if write.key.kind() == RecordKind::FanOutRow
                && let Some(logged) = self.rows.logged_message(server, write)
            {
                self.enqueued.unlogged(&mut self.rows, &logged);
                self.repaired.unlogged(&logged);
            }
            if write.key.kind() == RecordKind::FanOutQueueEntry {
                self.enqueued.unmade(write);
            }
        }
    }
}
