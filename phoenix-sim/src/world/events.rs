//! What can happen in a world.

use std::{sync::Arc, time::Duration};

use phoenix_core::{
    operation::Timer,
    store::{Commit, Reads, Settlement, commit::Rows},
    time::Timestamp,
    wire::operations::OperationKind,
};

use super::{calls::CallId, machines::Process};
use crate::node::OperationId;

/// One event.
#[derive(Debug)]
pub(super) enum Event {
    /// A request arrives at a machine.
    Arrive { call: CallId, machine: usize, request: Arc<Vec<u8>> },
    /// An answer arrives at its caller.
    Answered { call: CallId, answer: Vec<u8> },
    /// A caller gives up waiting, or is turned away.
    Failed { call: CallId },
    /// The store has read for an operation: some rows early, some just now.
    Supply { at: Process, operation: OperationId, early: Rows, reads: Reads },
    /// A commit reaches the store.
    Apply { at: Process, operation: OperationId, commit: Commit, outlives_crash: bool },
    /// The store's word on a commit reaches the process.
    Settle { at: Process, operation: OperationId, settlement: Settlement },
    /// A process makes durable what it has answered for already.
    Flush { at: Process },
    /// A timer of a process is due, by the homeserver's clock.
    Timer { at: Process, timer: Timer, due: Timestamp },
    /// A process looks for timers in the store.
    ScanTimers { at: Process },
    /// A process is killed.
    Crash { server: usize, node: usize, lasts: Duration },
    /// It is started again.
    Restart { machine: usize },
    /// The network splits as the plan's fault says.
    Split { number: usize },
    /// It heals.
    Heal { number: usize },
    /// A client asked to be polled.
    WakeUser { user: usize, due: Timestamp },
    /// A user looks into its queues.
    ReadQueues { user: usize, again: bool },
    /// A user tries to do what it wants.
    Intent { number: usize },
    /// The dishonest homeserver tries something.
    Attempt,
    /// Nothing goes wrong any more.
    FaultsEnd,
    /// Has everything come to rest?
    LookForRest,
}

impl Event {
    /// In words.
    pub fn describe(&self) -> String {
        match self {
            Self::Arrive { call, machine, request } => {
                format!("{call} {} arrives at machine {machine}", operation_name(request))
            }
            Self::Answered { call, .. } => format!("{call} is answered"),
            Self::Failed { call } => format!("{call} has no answer"),
            Self::Supply { at, operation, reads, .. } => {
                format!("{at} {operation:?} has read {} rows, {} scans", reads.keys.len(), reads.scans.len())
            }
            Self::Apply { at, operation, commit, .. } => {
                format!("{at} {operation:?} commit of {} writes reaches the store", commit.writes.len())
            }
            Self::Settle { at, operation, settlement } => format!("{at} {operation:?} {settlement:?}"),
            Self::Flush { at } => format!("{at} makes a batch durable"),
            Self::Timer { at, timer, .. } => format!("{at} {timer:?} is due"),
            Self::ScanTimers { at } => format!("{at} looks for timers"),
            Self::Crash { server, node, lasts } => {
                format!("process {node} of homeserver {server} crashes for {lasts:?}")
            }
            Self::Restart { machine } => format!("machine {machine} starts again"),
            Self::Split { number } => format!("the network splits (fault {number})"),
            Self::Heal { number } => format!("the network heals (fault {number})"),
            Self::WakeUser { user, .. } => format!("user {user} wakes"),
            Self::ReadQueues { user, .. } => format!("user {user} reads its queues"),
            Self::Intent { number } => format!("intent {number}"),
            Self::Attempt => "the dishonest homeserver tries something".to_owned(),
            Self::FaultsEnd => "faults end".to_owned(),
            Self::LookForRest => "has everything come to rest?".to_owned(),
        }
    }
}

/// The operation that a request asks for.
pub(super) fn operation_name(request: &[u8]) -> String {
    let code = request.get(2..4).map_or(0, |code| u16::from_be_bytes([code[0], code[1]]));
    OperationKind::from_code(code).map_or_else(|| format!("operation {code}"), |kind| format!("{kind:?}"))
}
