//! What is logged, and in which form.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The crates whose events may be logged.
///
/// No other crate, whatever the level: at their lowest levels some libraries log what passes through them, an
/// HTTP library the frames of requests for example.
pub(crate) const LOGGED_CRATES: [&str; 3] = ["phoenix", "phoenix_core", "phoenix_hyper"];

/// Whether events of a module may be logged, given its path.
pub(crate) fn is_logged(target: &str) -> bool {
    target.split("::").next().is_some_and(|name| LOGGED_CRATES.contains(&name))
}

/// What is logged, and in which form.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// The form of a line.
    pub format: LogFormat,
    /// The lowest level that is logged.
    pub level: LogLevel,
    /// Levels of single modules, `phoenix_hyper::node` for example.
    pub targets: BTreeMap<String, LogLevel>,
}

/// The form of a line of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Text, for people.
    #[default]
    Text,
    /// One JSON object a line, for machines.
    Json,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// Nothing is logged.
    Off,
    /// Only what an operator must act on.
    Error,
    /// Also what an operator should look at.
    Warn,
    /// Also starts and stops.
    #[default]
    Info,
    /// Also every request.
    Debug,
    /// Also every timer.
    Trace,
}
