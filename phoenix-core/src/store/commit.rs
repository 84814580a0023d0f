//! PROTOCOL.md §2, Determinism and storage — what an operation asks of the store: rows to read, and one batch
//! to commit.

use std::fmt;

use super::{key::Key, keyspace::RecordKind};
use crate::{codec::encode, hex::Hex, time::Hour};

/// The version of a row: 16 random bytes, drawn for each attempt to commit, so that it tells nothing of the
/// order of events.
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
    /// The version of the commit that wrote it.
    pub version: Version,
    /// Its content. A store keeps it as it is, and cannot read it.
    pub bytes: Vec<u8>,
}

/// The stored keys from `first` (included) to `end` (not included), in the order of their bytes: where to
/// look for work. No decision rests on what a scan finds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scan {
    /// The bytes to begin with, as [`Key::to_bytes`] writes them. There need not be such a key.
    pub first: Vec<u8>,
    /// The bytes to end before.
    pub end: Vec<u8>,
    /// The most keys to return.
    pub limit: usize,
}

impl Scan {
    /// Returns the scan of all records of one kind.
    pub fn kind(kind: RecordKind, limit: usize) -> Self {
        Self { first: vec![kind as u8], end: vec![kind as u8 + 1], limit }
    }

    /// Returns the scan of the records of one kind that come after the stored key `key`.
    pub(crate) fn after(kind: RecordKind, key: &[u8], limit: usize) -> Self {
        Self { first: [key, &[0]].concat(), ..Self::kind(kind, limit) }
    }

    /// Returns the scan of the records of one kind, named by an hour, whose hour is `first` or later, and
    /// before `end`.
    pub fn hours(kind: RecordKind, first: Hour, end: Hour, limit: usize) -> Self {
        let at = |hour: Hour| [&[kind as u8][..], &encode(&hour)].concat();
        Self { first: at(first), end: at(end), limit }
    }
}

/// What an operation needs before it can go on. The driver reads all of it, then calls
/// [`Operation::supply`](crate::operation::Operation::supply).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reads {
    /// The rows to read. That there is no such row is an answer too.
    pub keys: Vec<Key>,
    /// The ranges of keys to read.
    pub scans: Vec<Scan>,
}

/// What a store has of a [`Reads`].
#[derive(Debug, Clone, Default)]
pub struct Rows {
    /// For each key asked for, its row; `None` where there is no such row.
    pub rows: Vec<(Key, Option<Row>)>,
    /// For each scan asked for, the keys found, in the order of their bytes.
    pub scans: Vec<(Scan, Vec<Key>)>,
}

/// What must still hold when a commit is applied: a row's version, or its absence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// The row that was read.
    pub key: Key,
    /// The version that it had; `None` if there was no such row.
    pub version: Option<Version>,
}

/// One row to write or delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The row to write or delete.
    pub key: Key,
    /// Its new content; `None` to delete it.
    pub bytes: Option<Vec<u8>>,
}

/// One batch: the store applies it whole if every expectation holds, and not at all otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Every row that the changes depend on, as it was read.
    pub expect: Vec<Expectation>,
    /// The rows to change. There may be none: then the commit only confirms what was read.
    pub writes: Vec<Write>,
    /// The version that all rows written get.
    pub version: Version,
}

/// What became of a commit, as the driver tells it to
/// [`Operation::settle`](crate::operation::Operation::settle).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// Every expectation held; the writes are durable.
    Committed,
    /// An expectation did not hold, and nothing was written. The operation reads again.
    Conflict,
    /// The batch was applied whole, or not at all: the store cannot tell which. The operation finds out from
    /// the rows.
    Unknown,
}
