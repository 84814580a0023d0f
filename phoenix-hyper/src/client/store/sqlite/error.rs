//! What SQLite's errors mean for the user of a client store.

use std::{fmt::Display, path::Path};

use rusqlite::ErrorCode;

use crate::client::store::interface::ClientStoreError;

/// Names the store in SQLite's error.
pub(super) fn at(path: &Path) -> impl Fn(rusqlite::Error) -> ClientStoreError {
    move |error| {
        let (store, reason) = (path.display().to_string(), error.to_string());
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => ClientStoreError::InUse { store },
            Some(ErrorCode::NotADatabase) => ClientStoreError::NotAClientStore { store },
            Some(ErrorCode::DatabaseCorrupt) => ClientStoreError::Damaged { store, reason },
            Some(ErrorCode::DiskFull) => ClientStoreError::Full { store, reason },
            _ => ClientStoreError::Failed { store, reason },
        }
    }
}

pub(super) fn failed(path: &Path, error: &dyn Display) -> ClientStoreError {
    ClientStoreError::Failed { store: path.display().to_string(), reason: error.to_string() }
}

pub(super) fn damaged(path: &Path, reason: &str) -> ClientStoreError {
    ClientStoreError::Damaged { store: path.display().to_string(), reason: reason.to_owned() }
}
