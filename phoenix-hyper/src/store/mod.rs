//! What a homeserver needs of a database: reads with versions, and commits that apply whole or not at all.

pub mod conformance;
mod memory;

use std::future::Future;

pub use memory::MemoryStore;
use phoenix_core::store::{Commit, Reads, Settlement, commit::Rows};

/// A database could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the store could not be read: {0}")]
pub struct StoreError(pub String);

/// A database. Bring your own: implement this, and run [`conformance::check`] over it.
pub trait Store: Send + Sync + 'static {
    /// Reads every row and makes every scan that is asked for, of what is committed. The rows need not be of one
    /// moment: the commit finds out if they were not.
    ///
    /// # Errors
    /// [`StoreError`] if that is not possible now; whoever waits is told to come back.
    fn read(&self, reads: Reads) -> impl Future<Output = Result<Rows, StoreError>> + Send;

    /// Applies the commit if every expectation holds, all at once and durably; or not at all.
    ///
    /// [`Settlement::Unknown`] is the answer where that cannot be told, after an error half-way for example.
    fn commit(&self, commit: Commit) -> impl Future<Output = Settlement> + Send;
}
