//! The faults that a test can ask for.

use std::collections::VecDeque;

use crate::wire::{fan_out::FanOutMessage, operations::OperationKind};

/// What becomes of a commit that the store does not simply apply.
#[derive(Debug, Clone, Copy)]
pub enum Trouble {
    /// It conflicts, as if another node was first.
    Conflict,
    /// It is applied, and the settlement is unknown.
    UnknownApplied,
    /// It is lost, and the settlement is unknown.
    UnknownLost,
}

/// The faults of a world.
#[derive(Clone, Default)]
pub struct Faults {
    /// The troubles of the next commits, one for each.
    pub troubles: VecDeque<Trouble>,
    /// The operation of which no homeserver gets an answer from another.
    pub intercepted: Option<OperationKind>,
    /// The number of the entry that is changed on its way, by an attacker who has the source's signing key.
    pub corrupted: Option<u64>,
    /// How many answers are lost on the way back.
    pub lost_answers: u32,
    /// The message that the asking homeserver appends and distributes while its next question is under way.
    pub meanwhile: Option<FanOutMessage>,
    /// The step at which an operation is dropped, counted over all operations.
    pub crash_at: Option<u64>,
    /// How many steps were made.
    pub steps: u64,
    /// In how many of a thousand steps something goes wrong.
    pub chaos: u64,
}
