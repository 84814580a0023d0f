//! What an oracle finds.

use crate::schedule::EventNumber;

/// A property that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The name of the oracle that found it.
    pub oracle: &'static str,
    /// What is wrong, in words.
    pub what: String,
    /// The earlier event that the current one contradicts, if there is one. The failure shows its causes too.
    pub since: Option<EventNumber>,
}

impl Violation {
    /// Returns a violation that concerns the current event only.
    pub fn now(oracle: &'static str, what: String) -> Self {
        Self { oracle, what, since: None }
    }
}
