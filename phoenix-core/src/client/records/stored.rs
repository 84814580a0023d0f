//! PROTOCOL.md §11.15 — a client's state as its embedder keeps it: names and contents that say nothing.

use std::fmt;

/// A record of a client's state, as it is kept between two starts of the client.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredRecord {
    /// What the record is found by: 32 bytes that only the client's storage key explains.
    pub name: Vec<u8>,
    /// What it holds, sealed under the client's storage key.
    pub content: Vec<u8>,
}

/// A record that is to be written or deleted.
#[derive(Clone, PartialEq, Eq)]
pub struct RecordChange {
    /// What the record is found by: 32 bytes.
    pub name: Vec<u8>,
    /// What it holds from now on, sealed; `None` if it is to be deleted. What it held before has to be
    /// overwritten, not only unlinked: it may hold secrets that were used.
    pub content: Option<Vec<u8>>,
}

impl fmt::Debug for StoredRecord {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "StoredRecord({} bytes)", self.content.len())
    }
}

impl fmt::Debug for RecordChange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.content {
            Some(content) => write!(formatter, "RecordChange({} bytes)", content.len()),
            None => formatter.write_str("RecordChange(deleted)"),
        }
    }
}

/// Names a save of one run of a client. Later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SaveId(pub u64);

/// What has changed since the save before. Store all of it in one step that a crash does not divide, and that
/// is durable when it ends; then call [`Client::saved`](crate::client::Client::saved).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Save {
    /// Names the save in the call of [`Client::saved`](crate::client::Client::saved).
    pub id: SaveId,
    /// The records that changed, each once.
    pub changes: Vec<RecordChange>,
}

/// The changes of a [`Save`] are not stored, or it is not known whether they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client's state cannot be saved")]
pub struct SaveFailed;
