//! A store in memory: for tests and trials, and as the measure of what a store must do.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::Arc,
};

use super::{
    commit::{Commit, Expectation, Reads, Row, Rows, Scan, Settlement},
    key::Key,
    keyspace::RecordKind,
};

/// All rows of one homeserver, in memory. Nothing outlives the process.
///
/// Reads and commits are those of the [calling contract](crate::operation). A clone is a snapshot: it costs
/// one reference count, and the rows are copied when the store or its clone changes next.
///
/// # Example
///
/// Here is an operation that is driven to its end. A sweep asks no other homeserver; an operation that does
/// gets [`Step::Ask`](crate::operation::Step::Ask) answered with what the peer said, or with the failure to
/// reach it.
///
/// ```
/// use phoenix_core::{
///     Config, Effect, Homeserver, Input, Random, ServiceKeys, Step, Timestamp,
///     error::PeerFailure,
///     identifiers::Domain,
///     operation::timers,
///     store::{MemoryStore, RecordKind},
/// };
///
/// let now = Timestamp::from_milliseconds(1_800_000_000_000);
/// let domain: Domain = "example.com".parse()?;
/// let keys = ServiceKeys::generate(&domain, &mut Random::from_seed([1; 32]), now);
/// let homeserver = Homeserver::new(Config::new(domain), keys);
/// let mut store = MemoryStore::default();
///
/// let mut operation = homeserver.accept(Input::Timer(&timers::SWEEP), now, [2; 32]);
/// let outcome = loop {
///     match operation.poll() {
///         Step::Read(reads) => operation.supply(store.read(&reads)),
///         Step::Ask(_) => operation.answer(Err(PeerFailure::Unreachable)),
///         Step::Commit(commit) => operation.settle(store.apply(&commit)),
///         Step::Done(outcome) => break outcome,
///     }
/// };
/// // The next sweep is a row now, and an effect for the driver that is running.
/// assert_eq!(store.count(RecordKind::Timer), 1);
/// assert!(matches!(outcome.effects[..], [Effect::Wake { due, .. }] if due > now));
/// # Ok::<(), phoenix_core::identifiers::InvalidDomain>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryStore {
    rows: Arc<BTreeMap<Key, Row>>,
}

/// What a driver does with a store.
impl MemoryStore {
    /// Returns an entry for every key and every scan of `reads`, in their order.
    pub fn read(&self, reads: &Reads) -> Rows {
        let rows = reads.keys.iter().map(|key| (key.clone(), self.get(key).cloned()));
        let scans = reads.scans.iter().map(|scan| (scan.clone(), self.scan(scan)));
        Rows { rows: rows.collect(), scans: scans.collect() }
    }

    /// Applies the commit whole if every expectation [holds](Self::holds), and changes nothing otherwise.
    /// Never returns [`Settlement::Unknown`].
    pub fn apply(&mut self, commit: &Commit) -> Settlement {
        if !self.holds(&commit.expect) {
            return Settlement::Conflict;
        }
        for write in &commit.writes {
            match &write.bytes {
                Some(bytes) => {
                    let row = Row { version: commit.version, bytes: bytes.clone() };
                    self.insert(write.key.clone(), row);
                }
                None => drop(self.remove(&write.key)),
            }
        }
        Settlement::Committed
    }

    /// Returns whether every row expected has the version expected, or is absent where that is expected.
    pub fn holds(&self, expectations: &[Expectation]) -> bool {
        let version = |key: &Key| self.get(key).map(|row| row.version);
        expectations.iter().all(|expectation| version(&expectation.key) == expectation.version)
    }

    /// Returns the keys that `scan` finds, in the order of their bytes.
    pub fn scan(&self, scan: &Scan) -> Vec<Key> {
        // Keys sort like their bytes. Where no kind of record has the first byte, the search begins at the
        // start.
        let start = Key::from_bytes(&scan.first).map_or(Bound::Unbounded, Bound::Included);
        let keys = self.rows.range((start, Bound::Unbounded)).map(|(key, _)| key);
        let found =
            keys.skip_while(|key| key.to_bytes() < scan.first).take_while(|key| key.to_bytes() < scan.end);
        found.take(scan.limit).cloned().collect()
    }
}

/// To look at rows from outside.
impl MemoryStore {
    /// Returns the row with this key.
    pub fn get(&self, key: &Key) -> Option<&Row> {
        self.rows.get(key)
    }

    /// Returns all rows in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Row)> {
        self.rows.iter()
    }

    /// Returns the keys of all rows of one kind, in their order.
    pub fn keys_of(&self, kind: RecordKind) -> Vec<Key> {
        self.scan(&Scan::kind(kind, usize::MAX))
    }

    /// Returns how many rows there are of one kind.
    pub fn count(&self, kind: RecordKind) -> usize {
        self.keys_of(kind).len()
    }

    /// Returns the kinds of the rows that differ from those of `before`: written, deleted or added since.
    pub fn changed_kinds(&self, before: &Self) -> BTreeSet<RecordKind> {
        let keys = self.rows.keys().chain(before.rows.keys());
        let changed = keys.filter(|key| self.get(key) != before.get(key));
        changed.map(Key::kind).collect()
    }
}

/// To change rows behind the homeserver's back, as a damaged disk or an old backup does.
impl MemoryStore {
    /// Returns the row with this key, to be changed. Damage changes the bytes of a row and leaves its
    /// version.
    pub fn get_mut(&mut self, key: &Key) -> Option<&mut Row> {
        Arc::make_mut(&mut self.rows).get_mut(key)
    }

    /// Puts a row in place of the one with this key, if there is one.
    pub fn insert(&mut self, key: Key, row: Row) {
        Arc::make_mut(&mut self.rows).insert(key, row);
    }

    /// Removes the row with this key and returns it.
    pub fn remove(&mut self, key: &Key) -> Option<Row> {
        Arc::make_mut(&mut self.rows).remove(key)
    }

    /// Removes every row for which `keep` returns `false`.
    pub fn retain(&mut self, mut keep: impl FnMut(&Key, &Row) -> bool) {
        Arc::make_mut(&mut self.rows).retain(|key, row| keep(key, row));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Version, Write};

    fn key(kind: RecordKind, name: &[u8]) -> Key {
        Key::from_bytes(&[&[kind as u8], name].concat()).unwrap()
    }

    fn commit(expect: Vec<Expectation>, writes: Vec<Write>, version: u8) -> Commit {
        Commit { expect, writes, version: Version([version; 16]) }
    }

    fn put(key: &Key, bytes: &[u8]) -> Write {
        Write { key: key.clone(), bytes: Some(bytes.to_vec()) }
    }

    fn found(store: &MemoryStore, first: &[u8], end: &[u8], limit: usize) -> Vec<Key> {
        store.scan(&Scan { first: first.to_vec(), end: end.to_vec(), limit })
    }

    #[test]
    fn a_commit_applies_whole_or_not_at_all() {
        let (one, other) = (key(RecordKind::User, b"one"), key(RecordKind::User, b"other"));
        let mut store = MemoryStore::default();
        let absent = Expectation { key: one.clone(), version: None };
        let first = commit(vec![absent.clone()], vec![put(&one, b"1"), put(&other, b"1")], 1);
        assert_eq!(store.apply(&first), Settlement::Committed);
        let before = store.clone();
        let present = Expectation { key: other.clone(), version: Some(Version([1; 16])) };
        assert_eq!(
            store.apply(&commit(vec![present, absent], vec![put(&other, b"2")], 2)),
            Settlement::Conflict
        );
        assert_eq!(store, before);
        let delete = Write { key: other.clone(), bytes: None };
        assert_eq!(store.apply(&commit(Vec::new(), vec![put(&one, b"3"), delete], 3)), Settlement::Committed);
        assert_eq!(store.get(&one), Some(&Row { version: Version([3; 16]), bytes: b"3".to_vec() }));
        assert_eq!(store.get(&other), None);
    }

    #[test]
    fn a_clone_is_a_snapshot() {
        let key = key(RecordKind::User, b"one");
        let mut store = MemoryStore::default();
        store.apply(&commit(Vec::new(), vec![put(&key, b"1")], 1));
        let snapshot = store.clone();
        store.get_mut(&key).unwrap().bytes = b"damaged".to_vec();
        assert_eq!(snapshot.get(&key).unwrap().bytes, b"1");
        assert_eq!(store.changed_kinds(&snapshot), [RecordKind::User].into());
    }

    #[test]
    fn a_scan_finds_what_is_between_its_ends_whether_or_not_they_name_a_kind() {
        let keys = [
            key(RecordKind::Timer, b"a"),
            key(RecordKind::User, b"a"),
            key(RecordKind::User, b"b"),
            key(RecordKind::QsUser, b"a"),
        ];
        let mut store = MemoryStore::default();
        store.apply(&commit(Vec::new(), keys.iter().rev().map(|key| put(key, b"")).collect(), 1));
        assert_eq!(store.keys_of(RecordKind::User), keys[1..3]);
        let user = RecordKind::User as u8;
        assert_eq!(found(&store, &[user], &[255], 2), keys[1..3], "the first two");
        assert_eq!(found(&store, &[user, b'a', 0], &[255], 9), keys[2..], "from behind a key on");
        assert_eq!(found(&store, &[], &[user, b'b'], 9), keys[..2], "up to a key, without it");
        assert_eq!(RecordKind::from_code(user - 1), None);
        assert_eq!(found(&store, &[user - 1], &[user + 1], 9), keys[1..3], "from a code of no kind on");
        assert_eq!(found(&store, &[user + 1], &[user], 9), [], "between ends that are the wrong way around");
    }
}
