//! The events of a world.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc, time::Duration};

use phoenix_core::{
    client::EventId,
    operation::Timer,
    store::{Commit, Reads, RecordKind, Settlement, Version, commit::Rows},
    time::Timestamp,
    wire::operations::OperationKind,
};

use super::{call::CallId, process::Process, stage::Stage};
use crate::{names, node::OperationId, trace::Sort};

/// One event. Servers, machines, users, intents and faults are named by their index in the world or the plan.
#[derive(Debug)]
pub(super) enum Event {
    /// A request arrives at a machine.
    Arrive { call: CallId, machine: usize, request: Arc<Vec<u8>> },
    /// An answer arrives at its caller.
    Answered { call: CallId, answer: Vec<u8> },
    /// A caller gives up waiting, or its connection is refused.
    Failed { call: CallId },
    /// The store answers a read. `early` holds the rows as they were when the store was asked.
    Supply { process: Process, operation: OperationId, early: Rows, reads: Reads },
    /// A commit reaches the store.
    Apply { process: Process, operation: OperationId, commit: Commit, outlives_crash: bool },
    /// The store's answer to a commit reaches the process.
    Settle { process: Process, operation: OperationId, settlement: Settlement, version: Version },
    /// A process with a planted bug makes a batch durable that it has answered for already.
    Flush { process: Process },
    /// A timer of a process is due, by the homeserver's clock.
    Timer { process: Process, timer: Timer, due: Timestamp },
    /// A process looks for timers in the store.
    ScanTimers { process: Process },
    /// A process of a homeserver is killed.
    Crash { server: usize, number: usize, lasts: Duration },
    /// A machine starts its process again.
    Restart { machine: usize },
    /// The network partitions as a fault of the plan says.
    Partition { fault: usize },
    /// The partition of a fault ends.
    Heal { fault: usize },
    /// The clock that a fault is about is set forward, or back if negative.
    SetClock { fault: usize, by_milliseconds: i64 },
    /// A mishap of a machine or a store, which the plan names, reaches a stage.
    Mishap { fault: usize, stage: Stage },
    /// Rows that the store has read reach a process that was paused.
    Supplied { process: Process, operation: OperationId, rows: Option<Rows> },
    /// A save reaches a client's device.
    Store { user: usize, start: u32 },
    /// A user has done with an event that its client has shown.
    Confirm { user: usize, start: u32, event: EventId },
    /// A copy of a client's device is made, for a fault of the plan.
    CopyDevice { user: usize, fault: usize },
    /// From now on, the crash of a client is near.
    DoomClient { user: usize, fault: usize },
    /// A client is started again.
    RestartClient { user: usize },
    /// A client asked to be polled.
    WakeUser { user: usize, due: Timestamp },
    /// A user reads its queues.
    ReadQueues { user: usize, again: bool },
    /// A client that listens is told that its fan-out queue has grown.
    Signalled { user: usize },
    /// A user starts what an intent of the plan says, if it is possible.
    Intent { intent: usize },
    /// The dishonest homeserver attempts an attack.
    Attempt,
    /// An attacker makes a request with the keys of a user.
    AbuseKeys { user: usize },
    /// The faults end.
    FaultsEnd,
    /// The world checks whether everything has settled.
    CheckSettled,
}

impl Event {
    /// Returns the event in words.
    pub fn describe(&self) -> String {
        match self {
            Self::Arrive { call, machine, request } => {
                format!("{call} {} arrives at machine {machine}", operation_name(request))
            }
            Self::Answered { call, .. } => format!("{call} is answered"),
            Self::Failed { call } => format!("{call} has no answer"),
            Self::Supply { process, operation, reads, .. } => {
                let (rows, scans) = (reads.keys.len(), reads.scans.len());
                format!("{process}: operation {} has read {rows} rows, {scans} scans", operation.0)
            }
            Self::Apply { process, operation, commit, .. } => {
                format!(
                    "{process}: a commit of operation {} reaches the store: {}",
                    operation.0,
                    writes(commit)
                )
            }
            Self::Settle { process, operation, settlement, .. } => {
                let outcome = match settlement {
                    Settlement::Committed => "that it is committed",
                    Settlement::Conflict => "of a conflict",
                    Settlement::Unknown => "nothing for certain",
                };
                format!("{process}: operation {} is told {outcome}", operation.0)
            }
            Self::Flush { process } => format!("{process} makes a batch durable"),
            Self::Timer { process, timer, .. } => {
                format!("{process}: the timer {} is due", names::timer(timer))
            }
            Self::ScanTimers { process } => format!("{process} looks for timers"),
            Self::Crash { server, number, lasts } => {
                format!("homeserver {server}, process {number} crashes for {lasts:?}")
            }
            Self::Restart { machine } => format!("machine {machine} restarts"),
            Self::Partition { fault } => format!("the network partitions (fault {fault})"),
            Self::Heal { fault } => format!("the network heals (fault {fault})"),
            Self::SetClock { fault, by_milliseconds } => {
                format!("the clock of fault {fault} is set by {by_milliseconds} ms")
            }
            Self::Mishap { fault, stage } => format!("mishap (fault {fault}): {}", stage.describe()),
            Self::Supplied { process, operation, .. } => {
                format!("{process}: operation {} gets its rows", operation.0)
            }
            Self::Store { user, .. } => format!("a save of user {user} reaches the device"),
            Self::Confirm { user, .. } => format!("user {user} has done with an event"),
            Self::CopyDevice { user, .. } => format!("a copy of the device of user {user} is made"),
            Self::DoomClient { user, fault } => {
                format!("the client of user {user} is to crash (fault {fault})")
            }
            Self::RestartClient { user } => format!("the client of user {user} is started again"),
            Self::WakeUser { user, .. } => format!("user {user} wakes"),
            Self::ReadQueues { user, .. } => format!("user {user} reads its queues"),
            Self::Signalled { user } => format!("user {user} is signalled"),
            Self::Intent { intent } => format!("it is time for intent {intent}"),
            Self::Attempt => "the dishonest homeserver attempts an attack".to_owned(),
            Self::AbuseKeys { user } => format!("an attacker has the keys of user {user}"),
            Self::FaultsEnd => "the faults end".to_owned(),
            Self::CheckSettled => "has everything settled?".to_owned(),
        }
    }

    /// Returns what the event is by its kind.
    pub fn sort(&self) -> Sort {
        match self {
            Self::Supply { .. } | Self::Supplied { .. } | Self::Settle { .. } => Sort::Step,
            Self::Apply { commit, .. } if commit.writes.is_empty() => Sort::Step,
            Self::ScanTimers { .. }
            | Self::Timer { timer: Timer::Sweep, .. }
            | Self::Confirm { .. }
            | Self::WakeUser { .. }
            | Self::ReadQueues { .. }
            | Self::Signalled { .. }
            | Self::Intent { .. }
            | Self::CheckSettled => Sort::Routine,
            _ => Sort::Telling,
        }
    }
}

/// Returns the kinds of the rows that a commit writes or deletes.
fn writes(commit: &Commit) -> String {
    let mut kinds: BTreeMap<(RecordKind, bool), usize> = BTreeMap::new();
    for write in &commit.writes {
        *kinds.entry((write.key.kind(), write.bytes.is_some())).or_default() += 1;
    }
    let mut text = String::new();
    if kinds.is_empty() {
        text.push_str("nothing to write");
    }
    for (index, ((kind, is_write), count)) in kinds.into_iter().enumerate() {
        let _ = write!(
            text,
            "{}{}{kind:?}{}",
            if index == 0 { "" } else { ", " },
            if is_write { "" } else { "no more " },
            if count > 1 { format!(" ×{count}") } else { String::new() },
        );
    }
    text
}

/// Returns whether an encoded request only reads a queue.
pub(super) fn is_reading(request: &[u8]) -> bool {
    matches!(operation_kind(request), Ok(OperationKind::Dequeue | OperationKind::DequeueDirect))
}

/// Returns the name of the operation that an encoded request asks for.
pub(super) fn operation_name(request: &[u8]) -> String {
    operation_kind(request).map_or_else(|code| format!("operation {code}"), |kind| format!("{kind:?}"))
}

/// Returns the operation that an encoded request asks for, or its code if there is none with it.
fn operation_kind(request: &[u8]) -> Result<OperationKind, u16> {
    let code = request.get(2..4).map_or(0, |code| u16::from_be_bytes([code[0], code[1]]));
    OperationKind::from_code(code).ok_or(code)
}
