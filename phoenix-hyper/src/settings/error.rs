//! Settings that cannot be used.

use std::{io, path::PathBuf};

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("the settings file {path} cannot be read: {error}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The file is not TOML, or has an unknown name or a value of the wrong kind. The text says where.
    #[error("{0}")]
    Invalid(#[from] toml::de::Error),
    /// A value cannot work.
    #[error("{name} = {value}: {reason}")]
    Refused {
        /// The setting, with its section first.
        name: String,
        /// Its value.
        value: String,
        /// Why it cannot work.
        reason: String,
    },
}

impl SettingsError {
    pub(crate) fn refused(name: &str, value: impl ToString, reason: impl Into<String>) -> Self {
        Self::Refused { name: name.to_owned(), value: value.to_string(), reason: reason.into() }
    }
}
