//! A store in memory that applies a commit if, and only if, every expectation holds.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::{Deref, DerefMut},
};

use crate::store::{Commit, Key, Reads, RecordKind, Row, Scan, Settlement, commit::Rows};

/// All rows of one homeserver; as a map, to look at them and to change them behind its back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryStore(BTreeMap<Key, Row>);

impl Deref for MemoryStore {
    type Target = BTreeMap<Key, Row>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for MemoryStore {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl MemoryStore {
    /// Answers what an operation asks for: every key and every scan.
    pub fn read(&self, reads: &Reads) -> Rows {
        let row = |key: &Key| (key.clone(), self.get(key).cloned());
        let scans = reads.scans.iter().map(|scan| (scan.clone(), self.scan(scan)));
        Rows { rows: reads.keys.iter().map(row).collect(), scans: scans.collect() }
    }

    fn scan(&self, scan: &Scan) -> Vec<Key> {
        // Keys sort like their bytes.
        let keys = self.range(Key::from_bytes(&scan.first).unwrap()..).map(|(key, _)| key);
        keys.take_while(|key| key.to_bytes() < scan.end).take(scan.limit).cloned().collect()
    }

    /// Applies the commit whole, or not at all.
    pub fn apply(&mut self, commit: &Commit) -> Settlement {
        let version = |key: &Key| self.get(key).map(|row| row.version);
        if !commit.expect.iter().all(|expectation| version(&expectation.key) == expectation.version) {
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

    /// The keys of all rows of one kind.
    pub fn keys_of(&self, kind: RecordKind) -> Vec<Key> {
        self.keys().filter(|key| key.kind() == kind).cloned().collect()
    }

    /// How many rows there are of one kind.
    pub fn count(&self, kind: RecordKind) -> usize {
        self.keys().filter(|key| key.kind() == kind).count()
    }

    /// The kinds of the rows that are not the same in `other`: written, deleted or added since.
    pub fn changed_kinds(&self, other: &Self) -> BTreeSet<RecordKind> {
        let keys = self.keys().chain(other.keys());
        let changed = keys.filter(|key| self.get(*key) != other.get(*key));
        changed.map(Key::kind).collect()
    }

    /// Overwrites a row with `bytes`: a damaged disk.
    pub fn damage(&mut self, key: &Key, bytes: Vec<u8>) {
        if let Some(row) = self.get_mut(key) {
            row.bytes = bytes;
        }
    }
}
