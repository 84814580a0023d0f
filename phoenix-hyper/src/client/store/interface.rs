//! The interface of a place for a client's records, and how it fails.

use phoenix_core::client::{RecordChange, StoredRecord};

/// A client store that cannot be used. The texts are for the user or operator; they name no record and no
/// content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientStoreError {
    /// Another process, or another client of this process, has the records. Stop it first: two clients with
    /// one state would use keys twice.
    #[error("the client store {store} is in use by another process, or a second time by this one")]
    InUse {
        /// Which store.
        store: String,
    },
    /// What is there is something else, and is left as it is.
    #[error("{store} is not a client store")]
    NotAClientStore {
        /// What was taken for a store.
        store: String,
    },
    /// A newer version of this software wrote the store: use that version.
    #[error("the client store {store} has format {found}; this version reads format {known} and older")]
    Newer {
        /// Which store.
        store: String,
        /// The format of the store.
        found: u32,
        /// The newest format that this version reads.
        known: u32,
    },
    /// What is stored contradicts itself. The client cannot be restored from it.
    #[error("the client store {store} is damaged: {reason}")]
    Damaged {
        /// Which store.
        store: String,
        /// What is wrong.
        reason: String,
    },
    /// No space is left. Make room, and start the client again.
    #[error("the client store {store} has no space left: {reason}")]
    Full {
        /// Which store.
        store: String,
        /// The system's words.
        reason: String,
    },
    /// Reading or writing failed otherwise: missing permissions, for example, or a broken disk.
    #[error("the client store {store} cannot be read or written: {reason}")]
    Failed {
        /// Which store.
        store: String,
        /// The system's words.
        reason: String,
    },
}

/// A place for the records of one client. Bring your own: implement this, and run
/// [`conformance::check`](super::conformance::check) over it.
///
/// The methods block; a [`Client`](crate::client::Client) calls them outside of its task, one at a time. They
/// never see two clients at once: an implementation that several processes can reach makes sure of that, and
/// returns [`ClientStoreError::InUse`].
///
/// Names and contents are bytes of any kind. Contents are sealed, so a store that shows them to others shows
/// sizes and times of changes, no secrets. A store that returns older records than those saved last makes the
/// client catch up before it sends anything, at the price of the groups that it cannot follow any more:
/// restore backups only when there is nothing better.
pub trait ClientStore: Send + 'static {
    /// Returns all records, in any order. Called before the first save.
    ///
    /// # Errors
    /// [`ClientStoreError`]; the client does not start then.
    fn load(&mut self) -> Result<Vec<StoredRecord>, ClientStoreError>;

    /// Carries out all of `changes`, in their order, or none of them. When this returns they are durable: no
    /// crash of the process, the system or the power undoes them. A change of an absent record creates it;
    /// the deletion of an absent record does nothing.
    ///
    /// What a changed or deleted record held before can be read no more, neither here nor in any file of the
    /// store, journals included: it may hold the keys of messages that were deleted. What the file system or
    /// the disk keeps below the files is beyond a store.
    ///
    /// # Errors
    /// [`ClientStoreError`] if it is not certain that the changes are durable. The client stops then, and the
    /// store, opened and loaded again, returns either the records before the changes or those after.
    fn save(&mut self, changes: &[RecordChange]) -> Result<(), ClientStoreError>;
}
