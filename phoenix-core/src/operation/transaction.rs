//! What an operation's body sees of the store: rows that it reads, rows that it writes, and a way out where
//! something must be fetched first.

use std::collections::{BTreeMap, BTreeSet};

use super::step::{Ask, Effect, Interrupt};
use crate::{
    crypto::aead::EarKey,
    error::{PeerFailure, Refusal},
    rng::Random,
    store::{
        commit::{Commit, Expectation, Reads, Row, Rows, Scan, Version, Write},
        key::{Key, Record},
        record::{StoredDataError, from_row, to_row},
    },
};

/// The rows one pass of an operation reads and writes.
///
/// Reading a row that is not loaded leaves the body through `?` with [`Interrupt::Load`]; the body is called
/// again when the row is there. From then on the transaction is *poisoned*: whatever the body makes of the
/// error, nothing of this pass counts.
pub struct Transaction {
    service_key: EarKey,
    loaded: BTreeMap<Key, Option<Row>>,
    scanned: BTreeMap<Scan, Vec<Key>>,
    answers: BTreeMap<Ask, Result<Vec<u8>, PeerFailure>>,
    may_ask: bool,
    random: Random,
    pass: Pass,
}

/// What one pass has done so far.
#[derive(Default, Clone)]
struct Pass {
    read: BTreeSet<Key>,
    changes: Changes,
    kept: Changes,
    remember_refusal: bool,
    interrupt: Option<Interrupt>,
}

/// Writes and effects.
#[derive(Default, Clone)]
struct Changes {
    writes: BTreeMap<Key, Option<Vec<u8>>>,
    effects: Vec<Effect>,
}

impl Transaction {
    /// A transaction with nothing loaded. `may_ask`: whether the operation is allowed to wait for the network.
    pub(crate) fn new(service_key: EarKey, may_ask: bool) -> Self {
        Self {
            service_key,
            loaded: BTreeMap::new(),
            scanned: BTreeMap::new(),
            answers: BTreeMap::new(),
            may_ask,
            random: Random::from_seed([0; 32]),
            pass: Pass::default(),
        }
    }

    /// The record that `name` names, `None` if there is none.
    ///
    /// # Errors
    /// [`Interrupt::Load`] if the row is not loaded; a refusal if it is damaged.
    pub fn get<R: Record>(&mut self, name: &R::Name) -> Result<Option<R>, Interrupt> {
        let key = Key::of::<R>(name);
        self.load([key.clone()])?;
        self.read(&key)
    }

    /// As [`get`](Self::get), but a damaged row counts as none: for rows that must not hold up others.
    ///
    /// # Errors
    /// [`Interrupt::Load`] if the row is not loaded.
    pub fn get_intact<R: Record>(&mut self, name: &R::Name) -> Result<Option<R>, Interrupt> {
        let key = Key::of::<R>(name);
        self.load([key.clone()])?;
        Ok(self.intact(&key))
    }

    /// As [`get`](Self::get), but a damaged row is an answer: for whoever has to go on without it.
    ///
    /// # Errors
    /// [`Interrupt::Load`] if the row is not loaded.
    pub fn inspect<R: Record>(
        &mut self,
        name: &R::Name,
    ) -> Result<Option<Result<R, StoredDataError>>, Interrupt> {
        let key = Key::of::<R>(name);
        self.load([key.clone()])?;
        Ok(self.bytes(&key).map(|bytes| from_row::<R>(&key, bytes, &self.service_key)))
    }

    /// As [`inspect`](Self::inspect), but as with [`peek`](Self::peek) the commit does not depend on the row.
    ///
    /// # Errors
    /// [`Interrupt::Load`] if the row is not loaded.
    pub fn glance<R: Record>(
        &mut self,
        name: &R::Name,
    ) -> Result<Option<Result<R, StoredDataError>>, Interrupt> {
        let key = Key::of::<R>(name);
        self.require(std::slice::from_ref(&key))?;
        Ok(self.bytes(&key).map(|bytes| from_row::<R>(&key, bytes, &self.service_key)))
    }

    /// As [`get`](Self::get), but the commit does not depend on the row being still the same: for what may be
    /// a little old without harm, such as how much work there is at least.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn peek<R: Record>(&mut self, name: &R::Name) -> Result<Option<R>, Interrupt> {
        let key = Key::of::<R>(name);
        self.require(std::slice::from_ref(&key))?;
        self.read(&key)
    }

    /// As [`peek`](Self::peek), but a damaged row counts as none.
    ///
    /// # Errors
    /// [`Interrupt::Load`] if the row is not loaded.
    pub fn peek_intact<R: Record>(&mut self, name: &R::Name) -> Result<Option<R>, Interrupt> {
        let key = Key::of::<R>(name);
        self.require(std::slice::from_ref(&key))?;
        Ok(self.intact(&key))
    }

    fn intact<R: Record>(&self, key: &Key) -> Option<R> {
        from_row::<R>(key, self.bytes(key)?, &self.service_key).ok()
    }

    fn read<R: Record>(&mut self, key: &Key) -> Result<Option<R>, Interrupt> {
        let bytes = self.bytes(key);
        let record = bytes.map(|bytes| from_row::<R>(key, bytes, &self.service_key)).transpose();
        record.map_err(|error| {
            self.interrupt(Interrupt::Refuse(Refusal::StoredData { kind: error.kind as u8 }))
        })
    }

    fn bytes(&self, key: &Key) -> Option<&[u8]> {
        match self.pass.changes.writes.get(key) {
            Some(written) => written.as_deref(),
            None => self.loaded.get(key).and_then(Option::as_ref).map(|row| row.bytes.as_slice()),
        }
    }

    /// As [`load`](Self::load), but does not count as reading: for what will be [`peek`](Self::peek)ed.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn prefetch(&mut self, keys: &[Key]) -> Result<(), Interrupt> {
        self.require(keys)
    }

    /// Makes sure that all of `keys` are loaded, in one round where several are missing. Counts as reading them.
    ///
    /// # Errors
    /// [`Interrupt::Load`] naming all that are missing.
    pub fn load(&mut self, keys: impl IntoIterator<Item = Key>) -> Result<(), Interrupt> {
        let keys: Vec<Key> = keys.into_iter().collect();
        self.require(&keys)?;
        // What this pass wrote itself, it need not have read.
        self.pass.read.extend(keys.into_iter().filter(|key| self.loaded.contains_key(key)));
        Ok(())
    }

    fn require(&mut self, keys: &[Key]) -> Result<(), Interrupt> {
        self.check_poison()?;
        let known = |key: &Key| self.loaded.contains_key(key) || self.pass.changes.writes.contains_key(key);
        let missing: BTreeSet<&Key> = keys.iter().filter(|key| !known(key)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let keys = missing.into_iter().cloned().collect();
        Err(self.interrupt(Interrupt::Load(Reads { keys, scans: Vec::new() })))
    }

    /// The keys that `scan` finds: to look for work, never to decide. Rows written in this pass are not seen.
    ///
    /// # Errors
    /// [`Interrupt::Load`] if the scan was not made yet.
    pub fn scan(&mut self, scan: Scan) -> Result<Vec<Key>, Interrupt> {
        self.check_poison()?;
        match self.scanned.get(&scan) {
            Some(keys) => Ok(keys.clone()),
            None => Err(self.interrupt(Interrupt::Load(Reads { keys: Vec::new(), scans: vec![scan] }))),
        }
    }

    /// Writes `record` under `name`.
    pub fn put<R: Record>(&mut self, name: &R::Name, record: &R) {
        let key = Key::of::<R>(name);
        match to_row(&key, record, &self.service_key, &mut self.random) {
            Ok(bytes) => {
                self.pass.changes.writes.insert(key, Some(bytes));
            }
            // Only a row beyond all limits: the pass cannot count.
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
    pub fn ask(&mut self, ask: Ask) -> Result<Result<Vec<u8>, PeerFailure>, Interrupt> {
        self.check_poison()?;
        debug_assert!(self.may_ask, "only operations that may wait for the network ask");
        match self.answers.get(&ask) {
            Some(answer) => Ok(answer.clone()),
            None => Err(self.interrupt(Interrupt::Ask(ask))),
        }
    }

    /// Whether this operation has asked another homeserver already, and has its answer.
    pub fn has_asked(&self) -> bool {
        !self.answers.is_empty()
    }

    /// Lets everything written so far survive a refusal: a spent token, a used-up attempt (PROTOCOL.md §2).
    pub fn keep(&mut self) {
        self.pass.kept = self.pass.changes.clone();
    }

    /// Has the answer remembered even if it is a refusal: authentication and token have passed (PROTOCOL.md §2).
    pub(crate) fn remember_refusal(&mut self) {
        self.pass.remember_refusal = true;
    }

    /// Poisons the transaction with `interrupt` and hands it back to be returned.
    fn interrupt(&mut self, interrupt: Interrupt) -> Interrupt {
        self.pass.interrupt.get_or_insert(interrupt).clone()
    }

    fn check_poison(&self) -> Result<(), Interrupt> {
        self.pass.interrupt.clone().map_or(Ok(()), Err)
    }

    // What follows is the restart loop's side.

    /// Begins a pass: of the one before, nothing but what it read survives.
    pub(crate) fn begin_pass(&mut self, random: Random) {
        self.pass = Pass::default();
        self.random = random;
    }

    /// Begins an attempt: rows are read afresh. Answers of peers stay true, they are named by their question.
    pub(crate) fn begin_attempt(&mut self) {
        self.loaded.clear();
        self.scanned.clear();
    }

    pub(crate) fn poison(&self) -> Option<&Interrupt> {
        self.pass.interrupt.as_ref()
    }

    pub(crate) fn supply(&mut self, rows: Rows) {
        self.loaded.extend(rows.rows);
        self.scanned.extend(rows.scans);
    }

    pub(crate) fn answer(&mut self, ask: Ask, answer: Result<Vec<u8>, PeerFailure>) {
        self.answers.insert(ask, answer);
    }

    /// Undoes what was not [kept](Transaction::keep).
    pub(crate) fn refuse(&mut self) {
        self.pass.changes = self.pass.kept.clone();
    }

    pub(crate) fn remembers_refusal(&self) -> bool {
        self.pass.remember_refusal
    }

    /// The commit over everything that was read, and its effects.
    pub(crate) fn commit(&self, version: Version) -> (Commit, Vec<Effect>) {
        let expect = self.pass.read.iter().map(|key| Expectation {
            key: key.clone(),
            version: self.loaded.get(key).and_then(Option::as_ref).map(|row| row.version),
        });
        let writes = self.pass.changes.writes.iter();
        let commit = Commit {
            expect: expect.collect(),
            writes: writes.map(|(key, bytes)| Write { key: key.clone(), bytes: bytes.clone() }).collect(),
            version,
        };
        (commit, self.pass.changes.effects.clone())
    }
}
