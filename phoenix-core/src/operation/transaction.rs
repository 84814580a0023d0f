//! What a handler sees of the store: rows that it reads, rows that it writes, and a way out where something
//! must be fetched first.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    context::Context,
    loaded::Loaded,
    step::{Ask, Effect, Interrupt},
};
use crate::{
    config::{Config, Plant},
    error::{PeerFailure, Refusal},
    homeserver::Homeserver,
    identifiers::Domain,
    keys::ServiceKeys,
    rng::Random,
    store::{
        commit::{Commit, Expectation, Reads, Scan, Version, Write},
        key::{Key, Record},
        record::{Stored, from_row, to_row},
    },
    time::Timestamp,
};

/// One pass of an operation: what it sees, and what it does.
///
/// Reading a row that is not loaded leaves the handler through `?` with [`Interrupt::Load`]; the handler is
/// called again when the row is there, with a new transaction. From the interrupt on this one is *poisoned*:
/// whatever the handler makes of the error, nothing of this pass counts. Of one pass nothing is left for the
/// next but what was loaded.
///
/// There are two ways to read. [`get`](Self::get) refuses the request if the row is damaged;
/// [`read`](Self::read) makes damage an answer, for rows that must not hold up others. The commit depends on
/// every row read in either way. Both exist on a [`snapshot`](Self::snapshot) as well, on whose rows it does
/// not depend.
pub struct Transaction<'a> {
    context: &'a Context,
    loaded: &'a Loaded,
    may_ask: bool,
    /// Seals rows. Apart from `random`, so that what is sealed does not change what is drawn.
    sealing: Random,
    random: Random,
    pass: Pass,
}

/// What is proved of a request's sender so far (PROTOCOL.md §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Standing {
    /// Nothing.
    #[default]
    Unknown,
    /// The sender is who the request says.
    Authenticated,
    /// The request's token is redeemed.
    Paid,
}

/// What one pass has done so far.
#[derive(Default)]
struct Pass {
    read: BTreeSet<Key>,
    changes: Changes,
    savepoint: Changes,
    standing: Standing,
    interrupt: Option<Interrupt>,
}

/// Writes and effects.
#[derive(Default, Clone)]
struct Changes {
    writes: BTreeMap<Key, Option<Vec<u8>>>,
    effects: Vec<Effect>,
}

impl<'a> Transaction<'a> {
    /// A new pass. Both generators are the same in each pass of one attempt, and fresh in the next attempt,
    /// so that no key and nonce ever meet two contents.
    pub(crate) fn new(
        context: &'a Context,
        loaded: &'a Loaded,
        may_ask: bool,
        sealing: Random,
        random: Random,
    ) -> Self {
        Self { context, loaded, may_ask, sealing, random, pass: Pass::default() }
    }

    /// What stays the same over all passes.
    pub const fn context(&self) -> &'a Context {
        self.context
    }

    /// The time at which the input was accepted.
    pub const fn now(&self) -> Timestamp {
        self.context.now()
    }

    /// The homeserver served.
    pub const fn homeserver(&self) -> &'a Homeserver {
        self.context.homeserver()
    }

    /// Its configuration.
    pub fn config(&self) -> &'a Config {
        self.context.config()
    }

    /// Its keys.
    pub fn keys(&self) -> &'a ServiceKeys {
        self.context.keys()
    }

    /// Its domain.
    pub fn domain(&self) -> &'a Domain {
        self.context.domain()
    }

    /// Whether a planted bug is active: never, outside the simulator's builds.
    pub fn planted(&self, plant: Plant) -> bool {
        self.context.planted(plant)
    }

    /// Random bytes: the same in each pass of one attempt, fresh in the next attempt.
    pub const fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    /// The record that `name` names, `None` if there is none.
    ///
    /// # Errors
    /// [`Interrupt::Load`] if the row is not loaded; [`Refusal::StoredData`] if it is damaged.
    pub fn get<R: Record>(&mut self, name: &R::Name) -> Result<Option<R>, Interrupt> {
        let stored = self.read(name)?;
        self.refuse_damaged(stored)
    }

    /// The record that `name` names, where damage is an answer: for rows that must not hold up others, and
    /// for callers that have to go on without them.
    ///
    /// # Errors
    /// [`Interrupt::Load`] if the row is not loaded.
    pub fn read<R: Record>(&mut self, name: &R::Name) -> Result<Stored<R>, Interrupt> {
        let key = Key::of::<R>(name);
        self.load([key.clone()])?;
        Ok(self.stored(&key))
    }

    /// Makes sure that all of `keys` are loaded, in one round where several are missing. Counts as reading
    /// them.
    ///
    /// # Errors
    /// [`Interrupt::Load`] naming all that are missing.
    pub fn load(&mut self, keys: impl IntoIterator<Item = Key>) -> Result<(), Interrupt> {
        let keys: Vec<Key> = keys.into_iter().collect();
        self.require(&keys)?;
        // What this pass wrote itself, it need not have read.
        self.pass.read.extend(keys.into_iter().filter(|key| self.loaded.rows.contains_key(key)));
        Ok(())
    }

    /// The keys that `scan` finds: to look for work, never to decide. Rows written in this pass are not seen.
    ///
    /// # Errors
    /// [`Interrupt::Load`] if the scan was not made yet.
    pub fn scan(&mut self, scan: Scan) -> Result<Vec<Key>, Interrupt> {
        self.check_poison()?;
        match self.loaded.scans.get(&scan) {
            Some(keys) => Ok(keys.clone()),
            None => Err(self.interrupt(Interrupt::Load(Reads { keys: Vec::new(), scans: vec![scan] }))),
        }
    }

    /// Writes `record` under `name`.
    pub fn put<R: Record>(&mut self, name: &R::Name, record: &R) {
        let key = Key::of::<R>(name);
        match to_row(&key, record, &self.context.keys().service_key, &mut self.sealing) {
            Ok(bytes) => {
                self.pass.changes.writes.insert(key, Some(bytes));
            }
            // Fails only for a row longer than any limit allows: a defect, so the pass is refused.
            Err(_) => {
                self.interrupt(Interrupt::Refuse(Refusal::Internal));
            }
        }
    }

    /// Deletes the record under `name`, if there is one.
    pub fn delete<R: Record>(&mut self, name: &R::Name) {
        self.delete_key(Key::of::<R>(name));
    }

    /// Deletes the record with this key, if there is one.
    pub(crate) fn delete_key(&mut self, key: Key) {
        self.pass.changes.writes.insert(key, None);
    }

    /// Adds something that is to happen once the commit is durable, and only then.
    pub fn effect(&mut self, effect: Effect) {
        self.pass.changes.effects.push(effect);
    }

    /// The answer of another homeserver to `ask`.
    ///
    /// # Errors
    /// [`Interrupt::Ask`] if it was not asked yet.
    pub fn ask_peer(&mut self, ask: Ask) -> Result<Result<Vec<u8>, PeerFailure>, Interrupt> {
        self.check_poison()?;
        debug_assert!(self.may_ask, "only operations that may wait for the network ask");
        match self.loaded.answers.get(&ask) {
            Some(answer) => Ok(answer.clone()),
            None => Err(self.interrupt(Interrupt::Ask(ask))),
        }
    }

    /// Whether what `ask` costs is committed, or it was asked already: an operation pays once for a question.
    pub fn has_paid_for(&self, ask: &Ask) -> bool {
        self.loaded.is_paid(ask)
    }

    /// Whether this operation has asked another homeserver already, and has its answer.
    pub fn has_asked(&self) -> bool {
        !self.loaded.answers.is_empty()
    }

    /// Lets everything written so far survive a refusal: a spent token, a used-up attempt (PROTOCOL.md §2). What
    /// a request leaves so is committed before another homeserver is asked.
    pub fn savepoint(&mut self) {
        self.pass.savepoint = self.pass.changes.clone();
    }

    /// What is proved of the request's sender so far in this pass.
    pub const fn standing(&self) -> Standing {
        self.pass.standing
    }

    /// Notes what is proved of the request's sender. It only ever rises.
    pub(crate) fn note_standing(&mut self, standing: Standing) {
        self.pass.standing = self.pass.standing.max(standing);
    }

    pub(super) fn require(&mut self, keys: &[Key]) -> Result<(), Interrupt> {
        self.check_poison()?;
        let known =
            |key: &Key| self.loaded.rows.contains_key(key) || self.pass.changes.writes.contains_key(key);
        let missing: BTreeSet<&Key> = keys.iter().filter(|key| !known(key)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let keys = missing.into_iter().cloned().collect();
        Err(self.interrupt(Interrupt::Load(Reads { keys, scans: Vec::new() })))
    }

    /// What is stored under `key`, which is loaded.
    pub(super) fn stored<R: Record>(&self, key: &Key) -> Stored<R> {
        let bytes = match self.pass.changes.writes.get(key) {
            Some(written) => written.as_deref(),
            None => self.loaded.rows.get(key).and_then(Option::as_ref).map(|row| row.bytes.as_slice()),
        };
        match bytes.map(|bytes| from_row(key, bytes, &self.context.keys().service_key)) {
            None => Stored::Absent,
            Some(Ok(record)) => Stored::Intact(record),
            Some(Err(error)) => Stored::Damaged(error),
        }
    }

    pub(super) fn refuse_damaged<R>(&mut self, stored: Stored<R>) -> Result<Option<R>, Interrupt> {
        match stored {
            Stored::Absent => Ok(None),
            Stored::Intact(record) => Ok(Some(record)),
            Stored::Damaged(error) => {
                Err(self.interrupt(Interrupt::Refuse(Refusal::StoredData { kind: error.kind as u8 })))
            }
        }
    }

    /// Poisons the transaction with `interrupt` and hands it back to be returned.
    fn interrupt(&mut self, interrupt: Interrupt) -> Interrupt {
        self.pass.interrupt.get_or_insert(interrupt).clone()
    }

    fn check_poison(&self) -> Result<(), Interrupt> {
        self.pass.interrupt.clone().map_or(Ok(()), Err)
    }

    // What follows is the restart loop's side.

    pub(super) const fn poison(&self) -> Option<&Interrupt> {
        self.pass.interrupt.as_ref()
    }

    /// Undoes what came after the last [savepoint](Self::savepoint).
    pub(super) fn roll_back(&mut self) {
        self.pass.changes = self.pass.savepoint.clone();
        self.pass.interrupt = None;
    }

    /// The commit over everything that was read, and its effects.
    pub(super) fn commit(self, version: Version) -> (Commit, Vec<Effect>) {
        let Self { loaded, pass, .. } = self;
        let expect = pass.read.into_iter().map(|key| {
            let version = loaded.rows.get(&key).and_then(Option::as_ref).map(|row| row.version);
            Expectation { key, version }
        });
        let writes = pass.changes.writes.into_iter().map(|(key, bytes)| Write { key, bytes });
        let commit = Commit { expect: expect.collect(), writes: writes.collect(), version };
        (commit, pass.changes.effects)
    }
}
