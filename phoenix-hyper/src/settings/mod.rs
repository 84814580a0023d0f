//! The operator's decisions, as a TOML file. Every setting has a default; none is secret.
//!
//! `phoenix config` prints [`DEFAULT_FILE`], which names and explains every setting. Unknown names, and
//! values that cannot work, are refused before anything is started.

mod checks;
mod duration;
mod error;
mod file;
mod logs;
mod sections;

pub use self::{
    error::SettingsError,
    file::DEFAULT_FILE,
    logs::{LogFormat, LogLevel, LogSettings},
    sections::{
        AdminSettings, FederationPolicy, FederationRule, FederationSettings, PeerSettings,
        RegistrationSettings, ServerSettings, Settings,
    },
};

pub(crate) use self::logs::{LOGGED_CRATES, is_logged};

#[cfg(test)]
mod tests;
