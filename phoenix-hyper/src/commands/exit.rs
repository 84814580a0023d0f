//! How commands fail.

/// The exit codes of commands that fail, as the help lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Other = 1,
    Settings = 3,
    Keys = 4,
    InUse = 5,
    Listen = 6,
}

/// Why a command failed.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    pub message: String,
}

impl Exit {
    /// Returns a failure with this exit code.
    pub fn because(self, reason: impl ToString) -> Failure {
        Failure { exit: self, message: reason.to_string() }
    }
}
