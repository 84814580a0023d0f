//! What the store of a homeserver has applied and not synced yet: what a power failure takes back.
//!
//! A store syncs commits in their order. Once a process has been told of a commit, or a read has seen what it
//! wrote, the commit and all before it are synced: what others build on is never lost.

use phoenix_core::store::{Commit, Key, MemoryStore, Reads, Row, Version};

/// The commits that are not synced, the oldest first.
#[derive(Debug, Default)]
pub struct Journal {
    /// How many of the last commits the store leaves unsynced whatever it has told of them. More than none is
    /// for a test that this is noticed.
    pub lag: usize,
    unsynced: Vec<Unsynced>,
}

/// A commit that is not synced.
#[derive(Debug)]
pub struct Unsynced {
    /// The commit.
    pub commit: Commit,
    /// The rows that it wrote, as they were before.
    before: Vec<(Key, Option<Row>)>,
}

impl Journal {
    /// Notes a commit that the store is about to apply to `rows`.
    pub fn applies(&mut self, rows: &MemoryStore, commit: &Commit) {
        let row = |key: &Key| (key.clone(), rows.get(key).cloned());
        let before = commit.writes.iter().map(|write| row(&write.key)).collect();
        self.unsynced.push(Unsynced { commit: commit.clone(), before });
    }

    /// Notes that a process is told of the commit with this version.
    pub fn settled(&mut self, version: Version) {
        self.sync_until(|unsynced| unsynced.commit.version == version);
    }

    /// Notes that the store is read.
    pub fn read(&mut self, reads: &Reads) {
        let is_read = |key: &Key| {
            let bytes = key.to_bytes();
            reads.keys.contains(key) || reads.scans.iter().any(|scan| scan.first <= bytes && bytes < scan.end)
        };
        self.sync_until(|unsynced| unsynced.before.iter().any(|(key, _)| is_read(key)));
    }

    /// Syncs all commits.
    pub fn sync(&mut self) {
        self.sync_until(|_| true);
    }

    /// Syncs all commits up to the last one for which `is_synced` holds.
    fn sync_until(&mut self, is_synced: impl Fn(&Unsynced) -> bool) {
        if let Some(last) = self.unsynced.iter().rposition(is_synced) {
            self.unsynced.drain(..(last + 1).min(self.unsynced.len().saturating_sub(self.lag)));
        }
    }

    /// Rolls `rows` back to what is synced. Returns the commits that are lost, the youngest first.
    pub fn roll_back(&mut self, rows: &mut MemoryStore) -> Vec<Unsynced> {
        let lost: Vec<_> = self.unsynced.drain(..).rev().collect();
        for (key, row) in lost.iter().flat_map(|unsynced| &unsynced.before) {
            match row {
                Some(row) => rows.insert(key.clone(), row.clone()),
                None => drop(rows.remove(key)),
            }
        }
        lost
    }
}

impl Unsynced {
    /// Returns whether the commit created the row with this key.
    pub fn created(&self, key: &Key) -> bool {
        self.before.iter().any(|(of, row)| of == key && row.is_none())
    }
}

#[cfg(test)]
mod tests {
    use phoenix_core::store::{RecordKind, Scan, Write};

    use super::*;

    fn key(name: u8) -> Key {
        Key::from_bytes(&[RecordKind::User as u8, name]).expect("a kind and a name are a key")
    }

    /// A store with a journal, to which three commits were applied, which write the rows 1, 2 and 1.
    fn three_commits() -> (MemoryStore, Journal) {
        let (mut rows, mut journal) = (MemoryStore::default(), Journal::default());
        for (version, name) in [(1, 1), (2, 2), (3, 1)] {
            let write = Write { key: key(name), bytes: Some(vec![version]) };
            let version = Version([version; 16]);
            let commit = Commit { expect: Vec::new(), writes: vec![write], version };
            journal.applies(&rows, &commit);
            rows.apply(&commit);
        }
        (rows, journal)
    }

    fn contents(rows: &MemoryStore) -> Vec<u8> {
        rows.iter().map(|(_, row)| row.bytes[0]).collect()
    }

    #[test]
    fn what_no_one_has_seen_is_rolled_back() {
        let (mut rows, mut journal) = three_commits();
        assert_eq!(contents(&rows), [3, 2]);
        let lost = journal.roll_back(&mut rows);
        assert_eq!(lost.iter().map(|lost| lost.commit.version.0[0]).collect::<Vec<_>>(), [3, 2, 1]);
        assert_eq!(lost.iter().map(|lost| lost.created(&key(1))).collect::<Vec<_>>(), [false, false, true]);
        assert_eq!(contents(&rows), [0; 0]);
        assert!(journal.roll_back(&mut rows).is_empty());
    }

    #[test]
    fn a_commit_that_is_told_of_stays_with_all_before_it() {
        let (mut rows, mut journal) = three_commits();
        journal.settled(Version([2; 16]));
        journal.roll_back(&mut rows);
        assert_eq!(contents(&rows), [1, 2]);
    }

    #[test]
    fn a_commit_that_is_read_stays_with_all_before_it() {
        let (mut rows, mut journal) = three_commits();
        journal.read(&Reads { keys: vec![key(9)], scans: vec![Scan::kind(RecordKind::Timer, 9)] });
        journal.read(&Reads { keys: vec![key(2)], scans: Vec::new() });
        journal.roll_back(&mut rows);
        assert_eq!(contents(&rows), [1, 2]);
        let (mut rows, mut journal) = three_commits();
        journal.read(&Reads { keys: Vec::new(), scans: vec![Scan::kind(RecordKind::User, 9)] });
        assert!(journal.roll_back(&mut rows).is_empty());
        assert_eq!(contents(&rows), [3, 2]);
    }
}
