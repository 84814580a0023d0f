//! All oracles of a world together.

use std::collections::BTreeSet;

use phoenix_core::{
    identifiers::{Domain, GroupId, UserId},
    store::{Commit, MemoryStore, RecordKind, Write},
    time::Timestamp,
};

use super::{
    acknowledged::Acknowledged,
    allowances::Allowances,
    change::Change,
    counted,
    duplicates::Duplicates,
    effects::Effects,
    enqueued::Enqueued,
    epochs::Epochs,
    excused::Excused,
    journeys::Journeys,
    kept,
    malformed::Malformed,
    misdelivered::Misdelivered,
    observation::{Moment, Observation},
    order::Order,
    queues,
    refusals::Refusals,
    refused::Refused,
    repaired::{Reader, Repaired},
    restored::Restored,
    reuse::Reuse,
    rows::{LoggedMessage, Rows},
    secrecy::Secrecy,
    tokens::Tokens,
    violation::Violation,
    waiting,
};
use crate::{disk::Disk, journal::Unsynced, schedule::EventNumber};

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
    /// How far each message came.
    pub journeys: Journeys,
    /// Members of an epoch agree on its secrets and its members.
    pub epochs: Epochs,
    /// Members are told of what another member has damaged.
    pub malformed: Malformed,
    /// Contents reach no one whom they are not for.
    pub misdelivered: Misdelivered,
    /// A group has one order, without forks.
    pub order: Order,
    /// What members need not receive any more.
    pub excused: Excused,
    /// Honest callers are told nothing but what the plan permits.
    pub refusals: Refusals,
    /// Whether the clock of a homeserver is wrong for a while: then nothing can be said of when it does what is due.
    pub wrong_clocks: bool,
    /// No more tokens than are allowed.
    pub allowances: Allowances,
    /// No row holds a key of the past.
    pub secrecy: Secrecy,
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
        self.journeys.observe(observation);
        self.refused.observe(observation)?;
        self.restored.observe(observation)?;
        self.excused.observe(observation, &self.order);
        if !self.malformed.observe(observation, &self.misdelivered)? {
            queues::observe(observation, &self.restored, &self.excused, &self.repaired)?;
        }
        self.repaired.observe(observation, self.restored.has_gone_back(observation.user_id))?;
        self.epochs.observe(observation, &self.repaired)?;
        self.misdelivered.observe(observation)?;
        if self.repaired.is_doubtful(observation.user_id, observation.event) {
            return Ok(());
        }
        self.restored.distinguishes(observation)?;
        let explained = |violation| self.journeys.explain(violation, observation);
        self.duplicates.observe(observation).map_err(explained)?;
        self.order.observe(observation).map_err(explained)?;
        self.acknowledged.observe(observation)
    }

    /// Returns a violation for each message that was acknowledged and has not reached a member of its epoch.
    pub fn lost(&self) -> Vec<Violation> {
        let Self { acknowledged, epochs, order, restored, repaired, excused, journeys, .. } = self;
        acknowledged.missing(epochs, order, (restored, repaired, excused), journeys)
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

    /// Notes that a copy of the store of the homeserver that owns `domain` is made for a fault.
    pub fn store_copied(&mut self, fault: usize, domain: &Domain, step: u64) {
        let (ends, behind) = (self.enqueued.ends(), self.enqueued.behind());
        self.repaired.copied(fault, domain, step, ends, behind);
    }

    /// Notes that the copy made for a fault takes the place of the store of the homeserver that owns `domain`,
    /// and which rows are there before and after.
    pub fn store_restored(
        &mut self,
        fault: usize,
        (server, domain): (usize, &Domain),
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
            self.journeys.group_goes_back(&group, first);
        }
        self.enqueued.except_homeserver(domain);
        self.secrecy.forgets(server);
        self.allowances.restored(server, rows);
    }

    /// Checks the reply of a homeserver to a request, which it sends at `moment`.
    ///
    /// # Errors
    /// The first property that it violates.
    pub fn answered(
        &mut self,
        server: usize,
        moment: Moment,
        request: &[u8],
        reply: &[u8],
    ) -> Result<(), Violation> {
        self.misdelivered.answered(request, reply)?;
        self.order.answered(request, reply, moment.number)?;
        self.reuse.answered(request, reply)?;
        self.tokens.answered(server, request, reply, moment.number)?;
        if self.wrong_clocks {
            return Ok(());
        }
        self.allowances.answered(&self.rows, server, request, reply, moment.now)
    }

    /// Checks a commit whose expectations hold, before the store of homeserver `server` applies it at `moment`.
    ///
    /// # Errors
    /// The first property that it violates.
    pub fn commits(
        &mut self,
        server: usize,
        moment: Moment,
        disk: &Disk,
        commit: &Commit,
    ) -> Result<(), Violation> {
        let is_new = |write: &&Write| write.bytes.is_some() && disk.rows.get(&write.key).is_none();
        self.misdelivered.written(server, commit.writes.iter().filter(is_new))?;
        commit.writes.iter().filter(is_new).try_for_each(|write| self.reuse.entered(server, write))?;
        let rows_of = |kind| commit.writes.iter().filter(move |write| write.key.kind() == kind);
        for write in rows_of(RecordKind::FanOutRow).filter(is_new) {
            if let Some(logged) = self.rows.logged_message(server, write) {
                self.logged(server, write, &logged, moment.number)?;
            }
        }
        for write in rows_of(RecordKind::FanOutProgress) {
            self.journeys.distributed(server, disk, commit, write, moment.number);
        }
        for write in rows_of(RecordKind::FanOutQueueEntry).filter(is_new) {
            self.enqueued.entered(write, &self.journeys)?;
        }
        self.tokens.commits(disk, commit)?;
        let change = Change::new(&self.rows, server, disk, commit);
        counted::commits(&change, &self.repaired)?;
        waiting::commits(&change, &self.repaired)?;
        // At the beginning of time, nothing is late.
        let now = if self.wrong_clocks { Timestamp::default() } else { moment.now };
        kept::commits(&change, now)?;
        self.secrecy.commits(&change, now)?;
        if self.wrong_clocks { Ok(()) } else { self.allowances.commits(&change) }
    }

    /// Checks a message that homeserver `server` writes to a log in the event `number`.
    fn logged(
        &mut self,
        server: usize,
        write: &Write,
        logged: &LoggedMessage,
        number: EventNumber,
    ) -> Result<(), Violation> {
        self.misdelivered.logged(server, &mut self.rows, logged)?;
        self.malformed.logged(&mut self.rows, logged);
        let recipients = logged.message.recipients.iter();
        let clients = recipients.filter_map(|recipient| self.rows.client(&recipient.config));
        let users = clients.filter_map(|client| self.misdelivered.owner(&client));
        self.refused.delivered(&logged.message.group_id, users);
        self.order.logged(logged);
        self.restored.logged(logged);
        self.repaired.logged(logged);
        let Self { enqueued, rows, refused, misdelivered, .. } = self;
        enqueued.logged(rows, logged, |client| {
            let owner = misdelivered.owner(client);
            owner.is_some_and(|user| refused.misleads(&logged.message.group_id, user))
        });
        self.journeys.logged(&mut self.rows, (server, write.key.name()), logged, number);
        Ok(())
    }

    /// Notes that the store of homeserver `server` has lost a commit that it had applied.
    pub fn rolled_back(&mut self, server: usize, lost: &Unsynced) {
        self.secrecy.forgets(server);
        self.allowances.unspent(server, lost);
        for write in lost.commit.writes.iter().filter(|write| write.bytes.is_some()) {
            if !lost.created(&write.key) {
                continue;
            }
            if write.key.kind() == RecordKind::FanOutRow
                && let Some(logged) = self.rows.logged_message(server, write)
            {
                self.enqueued.unlogged(&mut self.rows, &logged);
                self.repaired.unlogged(&logged);
                self.repaired.unlogged(&logged);
            }
            if write.key.kind() == RecordKind::FanOutQueueEntry {
                self.enqueued.unmade(write);
                self.journeys.unmade(write);
            }
        }
    }
}
