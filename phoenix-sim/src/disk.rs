//! The store of one homeserver: its rows, and the ways in which a real database fails.

use std::time::Duration;

use phoenix_core::{
    rng::Random,
    store::{Commit, MemoryStore, Settlement},
};
use serde::{Deserialize, Serialize};

use crate::network::PerThousand;

/// The durable rows of a homeserver: what survives a crash.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    /// The rows.
    pub rows: MemoryStore,
    /// Makes the store apply every commit, whether its expectations hold or not. For a test that this is
    /// noticed.
    pub ignores_expectations: bool,
}

impl Disk {
    /// Applies `commit` as a whole if its expectations hold.
    pub fn commit(&mut self, commit: &Commit) -> Settlement {
        if self.ignores_expectations {
            return self.rows.apply(&Commit { expect: Vec::new(), ..commit.clone() });
        }
        self.rows.apply(commit)
    }
}

/// How often and how stores fail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreFaults {
    /// How often a commit conflicts although its expectations hold: contention that only the store sees.
    pub conflicts: PerThousand,
    /// How often the outcome of a commit is unknown.
    pub unknown: PerThousand,
    /// How often a read fails, or the save of a client.
    pub unreadable: PerThousand,
    /// The longest time that a read or a commit takes.
    pub latency: Duration,
}

/// What the store does with a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitFate {
    /// Applies it if its expectations hold, and says whether it did.
    Served,
    /// Does not apply it, and reports a conflict, although there may be none.
    Conflict,
    /// Applies it if its expectations hold, and reports an unknown outcome.
    AppliedInSilence,
    /// Does not apply it, and reports an unknown outcome.
    LostInSilence,
}

/// A store that works.
impl Default for StoreFaults {
    fn default() -> Self {
        Self::none()
    }
}

impl StoreFaults {
    /// Returns the faults of a store that works.
    pub fn none() -> Self {
        let never = PerThousand(0);
        Self { conflicts: never, unknown: never, unreadable: never, latency: Duration::from_millis(2) }
    }

    /// Draws what becomes of a commit.
    pub fn fate(&self, random: &mut Random) -> CommitFate {
        let (conflict, unknown, applied) =
            (self.conflicts.happens(random), self.unknown.happens(random), random.below(2) == 0);
        match (conflict, unknown, applied) {
            (true, _, _) => CommitFate::Conflict,
            (_, true, true) => CommitFate::AppliedInSilence,
            (_, true, false) => CommitFate::LostInSilence,
            _ => CommitFate::Served,
        }
    }

    /// Draws how long one way takes: to the store, or back.
    pub fn latency(&self, random: &mut Random) -> Duration {
        Duration::from_millis(random.below(self.latency.as_millis() as u64 / 2 + 1))
    }
}

impl CommitFate {
    /// Lets `commit` meet its fate and returns what the process is told.
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
