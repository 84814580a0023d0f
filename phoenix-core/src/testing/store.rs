//! A store in memory that applies a commit if, and only if, every expectation holds.

use std::collections::{BTreeMap, BTreeSet};

use crate::store::{Commit, Key, Reads, RecordKind, Row, Settlement, commit::Rows};

/// All rows of one homeserver.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryStore {
    rows: BTreeMap<Vec<u8>, Row>,
}

impl MemoryStore {
    /// Answers what an operation asks for: every key and every scan.
    pub fn read(&self, reads: &Reads) -> Rows {
        let row = |key: &Key| (key.clone(), self.rows.get(&key.to_bytes()).cloned());
        let scans = reads.scans.iter().map(|scan| {
            let found = self.rows.range(scan.first.clone()..scan.end.clone()).take(scan.limit);
            (scan.clone(), found.map(|(bytes, _)| Key::from_bytes(bytes).unwrap()).collect())
        });
        Rows { rows: reads.keys.iter().map(row).collect(), scans: scans.collect() }
    }

    /// Applies the commit whole, or not at all.
    pub fn apply(&mut self, commit: &Commit) -> Settlement {
        let holds = commit.expect.iter().all(|expectation| {
            let row = self.rows.get(&expectation.key.to_bytes());
            row.map(|row| row.version) == expectation.version
        });
        if !holds {
            return Settlement::Conflict;
        }
        for write in &commit.writes {
            let key = write.key.to_bytes();
            match &write.bytes {
                Some(bytes) => {
                    self.rows.insert(key, Row { version: commit.version, bytes: bytes.clone() });
                }
                None => {
                    self.rows.remove(&key);
                }
            }
        }
        Settlement::Committed
    }

    /// The keys of all rows of one kind.
    pub fn keys(&self, kind: RecordKind) -> Vec<Key> {
        let keys = self.rows.keys().map(|bytes| Key::from_bytes(bytes).unwrap());
        keys.filter(|key| key.kind() == kind).collect()
    }

    /// How many rows there are of one kind.
    pub fn count(&self, kind: RecordKind) -> usize {
        self.keys(kind).len()
    }

    /// The row with this key.
    pub fn row(&self, key: &Key) -> Option<&Row> {
        self.rows.get(&key.to_bytes())
    }

    /// The kinds of the rows that are not the same in `other`: written, deleted or added since.
    pub fn changed_kinds(&self, other: &Self) -> BTreeSet<RecordKind> {
        let keys = self.rows.keys().chain(other.rows.keys());
        let changed = keys.filter(|key| self.rows.get(*key) != other.rows.get(*key));
        changed.map(|bytes| Key::from_bytes(bytes).unwrap().kind()).collect()
    }

    /// Puts a row in place.
    pub fn insert(&mut self, key: Key, row: Row) {
        self.rows.insert(key.to_bytes(), row);
    }

    /// Overwrites a row with `bytes`: a damaged disk.
    pub fn damage(&mut self, key: &Key, bytes: Vec<u8>) {
        if let Some(row) = self.rows.get_mut(&key.to_bytes()) {
            row.bytes = bytes;
        }
    }
}
