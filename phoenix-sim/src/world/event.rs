//! The events of a world.

use std::{sync::Arc, time::Duration};

use phoenix_core::{
    client::EventId,
    operation::Timer,
    store::{Commit, Reads, Settlement, commit::Rows},
    time::Timestamp,
    wire::operations::OperationKind,
};

use super::{call::CallId, process::Process};
use crate::node::OperationId;

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
    Settle { process: Process, operation: OperationId, settlement: Settlement },
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
                format!("{process} {operation:?} has read {rows} rows, {scans} scans")
            }
            Self::Apply { process, operation, commit, .. } => {
                let writes = commit.writes.len();
                format!("{process} {operation:?} commit of {writes} writes reaches the store")
            }
            Self::Settle { process, operation, settlement } => {
                format!("{process} {operation:?} {settlement:?}")
            }
            Self::Flush { process } => format!("{process} makes a batch durable"),
            Self::Timer { process, timer, .. } => format!("{process} {timer:?} is due"),
            Self::ScanTimers { process } => format!("{process} looks for timers"),
            Self::Crash { server, number, lasts } => {
                format!("process {number} of homeserver {server} crashes for {lasts:?}")
            }
            Self::Restart { machine } => format!("machine {machine} restarts"),
            Self::Partition { fault } => format!("the network partitions (fault {fault})"),
            Self::Heal { fault } => format!("the network heals (fault {fault})"),
            Self::Store { user, .. } => format!("a save of user {user} reaches the device"),
            Self::Confirm { user, event, .. } => format!("user {user} confirms {event:?}"),
            Self::CopyDevice { user, .. } => format!("a copy of the device of user {user} is made"),
            Self::DoomClient { user, fault } => {
                format!("the client of user {user} is to crash (fault {fault})")
            }
            Self::RestartClient { user } => format!("the client of user {user} is started again"),
            Self::WakeUser { user, .. } => format!("user {user} wakes"),
            Self::ReadQueues { user, .. } => format!("user {user} reads its queues"),
            Self::Intent { intent } => format!("intent {intent}"),
            Self::Attempt => "the dishonest homeserver attempts an attack".to_owned(),
            Self::AbuseKeys { user } => format!("an attacker has the keys of user {user}"),
            Self::FaultsEnd => "the faults end".to_owned(),
            Self::CheckSettled => "has everything settled?".to_owned(),
        }
    }
}

/// Returns the name of the operation that an encoded request asks for.
pub(super) fn operation_name(request: &[u8]) -> String {
    let code = request.get(2..4).map_or(0, |code| u16::from_be_bytes([code[0], code[1]]));
    OperationKind::from_code(code).map_or_else(|| format!("operation {code}"), |kind| format!("{kind:?}"))
}
