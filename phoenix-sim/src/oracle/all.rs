//! All oracles of a world together.

use std::collections::BTreeSet;

use phoenix_core::{
    identifiers::{GroupId, UserId},
    store::{Commit, RecordKind, Write},
};

use super::{
    acknowledged::Acknowledged, duplicates::Duplicates, enqueued::Enqueued, epochs::Epochs,
    malformed::Malformed, misdelivered::Misdelivered, observation::Observation, order::Order, queues,
    refused::Refused, restored::Restored, rows::Rows, tokens::Tokens, violation::Violation,
};
use crate::{disk::Disk, schedule::EventNumber};

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
    /// Members are told of what another member has damaged.
    pub malformed: Malformed,
    /// Contents reach no one whom they are not for.
    pub misdelivered: Misdelivered,
    /// A group has one order, without forks.
    pub order: Order,
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
        if !self.malformed.observe(observation, &self.misdelivered)? {
            queues::observe(observation, &self.restored)?;
        }
        self.epochs.observe(observation)?;
        self.misdelivered.observe(observation)?;
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

    /// Checks the reply of a homeserver to a request.
    ///
    /// # Errors
    /// The first property that it violates.
    pub fn answered(&mut self, server: usize, request: &[u8], reply: &[u8]) -> Result<(), Violation> {
        self.misdelivered.answered(request, reply)?;
        self.order.answered(request, reply)?;
        self.tokens.answered(server, request, reply)
    }

    /// Checks a commit whose expectations hold, before the store of homeserver `server` applies it.
    ///
    /// # Errors
    /// The first property that it violates.
    pub fn commits(&mut self, server: usize, disk: &Disk, commit: &Commit) -> Result<(), Violation> {
        let is_new = |write: &&Write| write.bytes.is_some() && disk.rows.get(&write.key).is_none();
        self.misdelivered.written(server, commit.writes.iter().filter(is_new))?;
        for write in commit.writes.iter().filter(is_new) {
            let kind = write.key.kind();
            if kind == RecordKind::FanOutRow
                && let Some(logged) = self.rows.logged_message(server, write)
            {
                self.misdelivered.logged(server, &mut self.rows, &logged)?;
                self.malformed.logged(&mut self.rows, &logged);
                let recipients = logged.message.recipients.iter();
                let clients = recipients.filter_map(|recipient| self.rows.client(&recipient.config));
                let users = clients.filter_map(|client| self.misdelivered.owner(&client));
                self.refused.delivered(&logged.message.group_id, users);
                self.order.logged(&logged);
                self.restored.logged(&logged);
                let Self { enqueued, rows, refused, misdelivered, .. } = self;
                enqueued.logged(rows, &logged, |client| {
                    let owner = misdelivered.owner(client);
                    owner.is_some_and(|user| refused.misleads(&logged.message.group_id, user))
                });
            }
            if kind == RecordKind::FanOutQueueEntry {
                self.enqueued.entered(write)?;
            }
        }
        self.tokens.commits(disk, commit)
    }
}
