//! The store of one homeserver, in memory: rows with versions, commits over exact expectations, and the ways in
//! which a real database fails.

use std::{collections::BTreeMap, time::Duration};

use phoenix_core::{
    rng::Random,
    store::{Commit, Key, Reads, RecordKind, Row, Scan, Settlement, commit::Rows},
};

use crate::network::PerThousand;

/// Durable rows: what survives a crash.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    rows: BTreeMap<Vec<u8>, Row>,
    /// A broken store, which applies every commit whatever it expects: to show that it is noticed.
    pub ignores_expectations: bool,
}

impl Disk {
    /// The row with this key.
    pub fn row(&self, key: &Key) -> Option<&Row> {
        self.rows.get(&key.to_bytes())
    }

    /// The keys that `scan` finds.
    pub fn scan(&self, scan: &Scan) -> Vec<Key> {
        if scan.first >= scan.end {
            return Vec::new();
        }
        let found = self.rows.range(scan.first.clone()..scan.end.clone());
        found.filter_map(|(key, _)| Key::from_bytes(key)).take(scan.limit).collect()
    }

    /// Reads everything asked for, as of now.
    pub fn read(&self, reads: &Reads) -> Rows {
        let rows = reads.keys.iter().map(|key| (key.clone(), self.row(key).cloned()));
        let scans = reads.scans.iter().map(|scan| (scan.clone(), self.scan(scan)));
        Rows { rows: rows.collect(), scans: scans.collect() }
    }

    /// Whether all that `commit` expects holds.
    pub fn holds(&self, commit: &Commit) -> bool {
        commit
            .expect
            .iter()
            .all(|expected| self.row(&expected.key).map(|row| row.version) == expected.version)
    }

    /// Applies `commit` whole, or not at all.
    pub fn commit(&mut self, commit: &Commit) -> Settlement {
        if !self.ignores_expectations && !self.holds(commit) {
            return Settlement::Conflict;
        }
        for write in &commit.writes {
            match &write.bytes {
                Some(bytes) => {
                    let row = Row { version: commit.version, bytes: bytes.clone() };
                    self.rows.insert(write.key.to_bytes(), row);
                }
                None => {
                    self.rows.remove(&write.key.to_bytes());
                }
            }
        }
        Settlement::Committed
    }

    /// How many rows of this kind there are.
    pub fn count(&self, kind: RecordKind) -> usize {
        self.rows.range(vec![kind as u8]..vec![kind as u8 + 1]).count()
    }

    /// All rows of this kind.
    pub fn rows_of(&self, kind: RecordKind) -> Vec<(Key, Row)> {
        let rows = self.rows.range(vec![kind as u8]..vec![kind as u8 + 1]);
        rows.filter_map(|(key, row)| Some((Key::from_bytes(key)?, row.clone()))).collect()
    }
}

/// How a store fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Commits that do not apply though their expectations hold: contention that only the store saw.
    pub conflicts: PerThousand,
    /// Commits of which the store cannot tell what became of them.
    pub unknown: PerThousand,
    /// Reads that fail.
    pub unreadable: PerThousand,
    /// The longest that a read or a commit takes.
    pub latency: Duration,
}

/// What becomes of a commit that reaches the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// What a store should do.
    Served,
    /// It does not apply, though it could.
    Conflict,
    /// It applies, if it can, and nobody is told.
    AppliedInSilence,
    /// It does not apply, and nobody is told.
    LostInSilence,
}

impl Trouble {
    /// A store without trouble.
    pub fn none() -> Self {
        let never = PerThousand(0);
        Self { conflicts: never, unknown: never, unreadable: never, latency: Duration::from_millis(2) }
    }

    /// Decides about a commit.
    pub fn fate(&self, random: &mut Random) -> Fate {
        let (conflict, unknown, applied) =
            (self.conflicts.happens(random), self.unknown.happens(random), random.below(2) == 0);
        match (conflict, unknown, applied) {
            (true, _, _) => Fate::Conflict,
            (_, true, true) => Fate::AppliedInSilence,
            (_, true, false) => Fate::LostInSilence,
            _ => Fate::Served,
        }
    }

    /// How long half of a step takes: to the store, or back.
    pub fn latency(&self, random: &mut Random) -> Duration {
        Duration::from_millis(random.below(self.latency.as_millis() as u64 / 2 + 1))
    }
}

impl Fate {
    /// Carries it out: what the node is told.
    pub fn carry_out(self, disk: &mut Disk, commit: &Commit) -> Settlement {
        match self {
            Self::Served => disk.commit(commit),
            Self::Conflict => Settlement::Conflict,
            Self::LostInSilence => Settlement::Unknown,
            Self::AppliedInSilence => {
                disk.commit(commit);
                Settlement::Unknown
            }
        }
    }
}
