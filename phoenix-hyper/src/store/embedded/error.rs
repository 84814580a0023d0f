//! Why a store on disk cannot be opened.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::files::FORMAT;

/// A store that cannot be opened. The texts say what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A process has the store open, perhaps this one.
    #[error("the store in {} is in use by {}", .directory.display(), describe(*.process))]
    InUse {
        /// The directory of the store.
        directory: PathBuf,
        /// The number of the process, if it is known.
        process: Option<u32>,
    },
    /// The files are damaged: restore a backup.
    #[error("the store in {} is damaged: {reason}", .directory.display())]
    Damaged {
        /// The directory of the store.
        directory: PathBuf,
        /// What is wrong with the files.
        reason: String,
    },
    /// A newer version of this software wrote the store: use that version.
    #[error("the store in {} has format {found}; this version reads format {FORMAT} and older", .directory.display())]
    Newer {
        /// The directory of the store.
        directory: PathBuf,
        /// The format of the store.
        found: u32,
    },
    /// The file system refuses an operation.
    #[error("{}: {error}", .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        #[source]
        error: io::Error,
    },
}

fn describe(process: Option<u32>) -> String {
    process.map_or_else(|| "another process".to_owned(), |process| format!("process {process}"))
}

/// Names the path in the system's error.
pub(super) fn at(path: &Path) -> impl Fn(io::Error) -> OpenError {
    move |error| OpenError::Io { path: path.to_owned(), error }
}
