//! What an operation asks of the store: rows to read, and one batch to commit.

use std::fmt;

use super::{key::Key, keyspace::RecordKind};
use crate::{codec::encode, hex::Hex, time::Hour};

/// The version of a row: drawn at random for each commit attempt, so that it tells nothing of the order of
/// events.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub [u8; 16]);

impl fmt::Debug for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", Hex(&self.0[..4]))
    }
}

/// A row as the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The version that the commit gave which wrote it.
    pub version: Version,
    /// Its content, which means nothing to the store.
    pub bytes: Vec<u8>,
}

/// Stored keys from `first` (included) to `end` (not included), in their order: where to look for work. No
/// decision rests on what a scan finds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scan {
    /// Where to begin, as [`Key::to_bytes`].
    pub first: Vec<u8>,
    /// Where to end.
    pub end: Vec<u8>,
    /// How many keys at most.
    pub limit: usize,
}

impl Scan {
    /// All records of one kind, from `first` on.
    pub fn kind(kind: RecordKind, limit: usize) -> Self {
        Self { first: vec![kind as u8], end: vec![kind as u8 + 1], limit }
    }

    /// As [`Scan::kind`], but only what comes after the key with these bytes.
    pub(crate) fn after(kind: RecordKind, key: &[u8], limit: usize) -> Self {
        Self { first: [key, &[0]].concat(), ..Self::kind(kind, limit) }
    }

    /// Records of one kind that are named by an hour, from `first` on and before `end`.
    pub fn hours(kind: RecordKind, first: Hour, end: Hour, limit: usize) -> Self {
        let at = |hour: Hour| [&[kind as u8][..], &encode(&hour)].concat();
        Self { first: at(first), end: at(end), limit }
    }
}

/// What an operation needs before it can go on. All of it must be read before it is called again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reads {
    /// Rows wanted: present or absent, both are an answer.
    pub keys: Vec<Key>,
    /// Keys wanted.
    pub scans: Vec<Scan>,
}

/// What was found of a [`Reads`].
#[derive(Debug, Clone, Default)]
pub struct Rows {
    /// An entry for each key asked for; `None` where there is no such row.
    pub rows: Vec<(Key, Option<Row>)>,
    /// An entry for each scan.
    pub scans: Vec<(Scan, Vec<Key>)>,
}

/// What must still be so for a commit to apply: the row's version, or its absence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// Which row.
    pub key: Key,
    /// Its version, `None` if there must be no such row.
    pub version: Option<Version>,
}

/// One row to write or delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Which row.
    pub key: Key,
    /// Its new content, `None` to delete it.
    pub bytes: Option<Vec<u8>>,
}

/// One batch: applied whole if every expectation holds, not at all otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Everything that was read.
    pub expect: Vec<Expectation>,
    /// Everything that is to be. May be empty: then the commit only confirms what was read.
    pub writes: Vec<Write>,
    /// The version of all rows written.
    pub version: Version,
}

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// Every expectation held; the writes are durable.
    Committed,
    /// An expectation did not hold; nothing was written.
    Conflict,
    /// Written whole, or not at all: the store cannot tell.
    Unknown,
}
