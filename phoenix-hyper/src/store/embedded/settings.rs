//! What a store on disk may take of the machine.

use serde::{Deserialize, Serialize};

/// How much memory and how many threads a store takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EmbeddedSettings {
    /// Bytes of blocks read from disk that are kept in memory. The operating system has a cache of its own
    /// behind it.
    pub cache: u64,
    /// Bytes of rows kept in memory, and on disk in the journal only, before they are sorted into files. Up
    /// to four times as much is held while sorting falls behind. A larger buffer means less writing and a
    /// longer opening. An existing store keeps the value that it was created with.
    pub write_buffer: u64,
    /// Threads that sort rows into files and compact them.
    pub workers: usize,
    /// Files kept open.
    pub files: usize,
    /// Commits that wait to be written; a commit beyond that waits for a place.
    pub waiting: usize,
}

impl Default for EmbeddedSettings {
    fn default() -> Self {
        Self { cache: 4 << 20, write_buffer: 8 << 20, workers: 1, files: 256, waiting: 1024 }
    }
}
