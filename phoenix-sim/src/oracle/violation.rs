//! What an oracle finds.

use crate::schedule::EventNumber;

/// A property that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The name of the oracle that found it.
    pub oracle: &'static str,
    /// What is wrong, in words.
    pub what: String,
    /// What should have happened instead, where it went wrong, in one plain sentence.
    pub should: String,
    /// The earlier event that the current one contradicts, if there is one. The failure shows its causes too.
    pub since: Option<EventNumber>,
    /// How far the message came that it is about, if it is about one.
    pub journey: Vec<Stage>,
}

/// A stage on the way of a message to a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// The stage, in words.
    pub what: String,
    /// The event in which it was reached, if it was.
    pub event: Option<EventNumber>,
}

impl Violation {
    /// Returns a violation that concerns the current event only.
    pub fn now(oracle: &'static str, what: String, should: impl Into<String>) -> Self {
        Self { oracle, what, should: should.into(), since: None, journey: Vec::new() }
    }

    /// Returns a violation that contradicts an earlier event.
    pub fn since(oracle: &'static str, what: String, should: impl Into<String>, event: EventNumber) -> Self {
        Self { since: Some(event), ..Self::now(oracle, what, should) }
    }
}
