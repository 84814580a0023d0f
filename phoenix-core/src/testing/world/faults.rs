//! What goes wrong.

use std::collections::VecDeque;

use crate::wire::{fan_out::FanOutMessage, operations::OperationKind};

/// What becomes of a commit, where it is not simply what the store makes of it.
#[derive(Debug, Clone, Copy)]
pub enum Trouble {
    /// Another node was first.
    Conflict,
    /// Applied, and the answer lost.
    UnknownApplied,
    /// Lost altogether.
    UnknownLost,
}

/// What goes wrong.
#[derive(Clone, Default)]
pub struct Faults {
    /// What becomes of the next commits.
    pub troubles: VecDeque<Trouble>,
    /// An operation that gets no answer, whoever is asked for it.
    pub intercepted: Option<OperationKind>,
    /// The entry with this number is changed on its way, by one who has the source's signing key.
    pub corrupted: Option<u64>,
    /// So many answers are lost on the way back.
    pub lost_answers: u32,
    /// What is appended to the asking homeserver's log while its next question is under way.
    pub meanwhile: Option<FanOutMessage>,
    /// Operations are dropped at this step, counted over all of them.
    pub crash_at: Option<u64>,
    /// So many steps were made.
    pub steps: u64,
    /// In so many of a thousand steps, something goes wrong.
    pub chaos: u64,
}
