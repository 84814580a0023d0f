//! How the dishonest homeserver fails.

use std::io;

use phoenix_core::{codec::DecodeError, error::Refusal};

use super::tap::TapError;
use crate::{
    client::{ClientError, StartError},
    data_directory::DataError,
    key_file,
    peers::SendError,
    tls::TlsError,
};

/// Why an order could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum EvilError {
    /// A precondition is missing: the proxies have not seen it yet.
    #[error("missing: {0}")]
    Missing(&'static str),
    /// A homeserver gave no answer.
    #[error(transparent)]
    Send(#[from] SendError),
    /// An honest request was refused.
    #[error("an honest request was refused: {0}")]
    Refused(#[from] Refusal),
    /// A message is malformed.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// Mallory's client failed.
    #[error("mallory: {0}")]
    Client(#[from] ClientError),
    /// Mallory's client does not start.
    #[error("mallory: {0}")]
    Start(#[from] StartError),
    /// A proxy cannot run.
    #[error(transparent)]
    Tap(#[from] TapError),
    /// A certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The data directory cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The keys cannot be read.
    #[error(transparent)]
    Keys(#[from] key_file::KeyFileError),
    /// A file or pipe fails.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// An order is not understood.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}
