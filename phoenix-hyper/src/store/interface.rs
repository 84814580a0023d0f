//! The interface of a database, and how it fails.

use std::future::Future;

use phoenix_core::store::{Commit, Reads, RecordKind, Settlement, commit::Rows};
use tokio::sync::broadcast;

use super::notification::Notification;

/// A failure of the database. The texts are for the operator; they name no record and no content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The store cannot be used now; the text says why.
    #[error("the store cannot be used: {0}")]
    Unavailable(String),
    /// No space is left. Commits fail until there is some; reads go on.
    #[error("the store has no space left: {0}")]
    Full(String),
    /// A scan for records of this kind met damage: their keys cannot be listed.
    #[error("the store is damaged where {0:?} records are looked for")]
    Damaged(RecordKind),
}

/// A database. Bring your own: implement this, and run [`conformance::check`](super::conformance::check) over
/// it.
///
/// Leases are rows like any others, taken and renewed by commits: there is nothing to implement for them.
pub trait Store: Send + Sync + 'static {
    /// Reads every row and makes every scan asked for, of what is committed durably. The rows need not be of
    /// one moment: the commit finds out if they were not.
    ///
    /// A row that is there but damaged is returned with empty bytes, which no intact record has: the
    /// operation that needs it is refused, and all others go on. Its version is the one that a commit would
    /// find.
    ///
    /// # Errors
    /// [`StoreError`] if the read is not possible now; the client is told to come back.
    fn read(&self, reads: Reads) -> impl Future<Output = Result<Rows, StoreError>> + Send;

    /// Applies the commit if every expectation holds, all at once and durably; or not at all. The result of a
    /// commit without writes says whether all its expectations held at one moment.
    ///
    /// Returns [`Settlement::Unknown`] where the store cannot tell, after an error half-way for example.
    fn commit(&self, commit: Commit) -> impl Future<Output = Settlement> + Send;

    /// Whether commits are possible, as far as is known. Readiness probes ask this.
    ///
    /// # Errors
    /// [`StoreError`] says why commits are not possible.
    fn health(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Notifies the other nodes on this database. A notification may get lost: rows say the same, and nodes
    /// look at them from time to time. A store for a single node does nothing here.
    fn publish(&self, _: Notification) {}

    /// Returns the notifications of other nodes from now on; `None` for a store for a single node. May repeat
    /// the node's own notifications.
    fn notifications(&self) -> Option<broadcast::Receiver<Notification>> {
        None
    }
}
