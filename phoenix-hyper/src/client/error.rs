//! Why a client does not start, stops, or fails.

use phoenix_core::client::{self, RestoreError};

use super::store::ClientStoreError;

/// Why a client does not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] ClientStoreError),
    /// The store has records, and no client can be made of them.
    #[error("the client cannot be restored: {0}")]
    Restore(#[from] RestoreError),
}

/// Why a method of a [`Client`](super::Client) failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// What was to be done failed; see the reason.
    #[error(transparent)]
    Protocol(#[from] client::ClientError),
    /// The client has stopped, because its state could not be saved. Nothing has left it since that depends
    /// on what is not saved: once the cause is removed, start the client again, and it goes on from there.
    #[error("the client has stopped: {0}")]
    SaveFailed(ClientStoreError),
    /// The client has stopped: its last handle was dropped, or the runtime that it was started on shuts down.
    #[error("the client has stopped")]
    Stopped,
}
