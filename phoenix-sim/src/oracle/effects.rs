//! R3 — nothing waits for a scan or a poll: an operation that has committed wakes each timer that it has set,
//! and signals each client whose fan-out queue it has made longer.
//!
//! What is expected follows from the commits alone. Where the outcome of a commit was unknown, or the process
//! has crashed, effects are lost; rows say the same, and nothing is expected.

use std::collections::{BTreeMap, BTreeSet};

use phoenix_core::{
    codec::decode,
    identifiers::QsClientId,
    operation::{Effect, Timer, timers},
    store::{Commit, RecordKind, Row},
    time::Timestamp,
};

use super::{layout, violation::Violation};
use crate::{names, node::OperationId};

/// Names an operation that a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Served {
    /// The machine of the process.
    pub machine: usize,
    /// Which start of the machine.
    pub start: u32,
    /// The operation, among those of the process.
    pub operation: OperationId,
}

/// What operations have committed whose effects are still to come.
#[derive(Debug, Default)]
pub struct Effects {
    committed: BTreeMap<Served, Committed>,
}

/// What a commit calls for.
#[derive(Debug, Default)]
struct Committed {
    /// The timers that it has set, and for when.
    set: Vec<(Timer, Timestamp)>,
    /// The timers that it has ended.
    ended: BTreeSet<Timer>,
    /// The clients whose fan-out queues it has made longer.
    longer: BTreeSet<QsClientId>,
}

impl Effects {
    /// Notes a commit that was applied, and of which the operation will be told so.
    pub fn committed(&mut self, served: Served, commit: &Commit) {
        let mut committed = Committed::default();
        for write in &commit.writes {
            match (write.key.kind(), &write.bytes) {
                (RecordKind::Timer, Some(bytes)) => {
                    let row = Row { version: commit.version, bytes: bytes.clone() };
                    committed.set.extend(timers::as_noted(&write.key, &row));
                }
                (RecordKind::Timer, None) => committed.ended.extend(decode::<Timer>(write.key.name()).ok()),
                (RecordKind::FanOutQueueEntry, Some(_)) => {
                    let client = layout::numbered(write.key.name()).map(|(client, _)| client);
                    committed.longer.extend(client.and_then(|client| decode::<QsClientId>(client).ok()));
                }
                _ => {}
            }
        }
        self.committed.insert(served, committed);
    }

    /// Checks the effects of an operation that is over. `cause` is the timer that it served, if it served
    /// one.
    ///
    /// # Errors
    /// One that its commit calls for is missing.
    pub fn done(
        &mut self,
        served: Served,
        cause: Option<&Timer>,
        effects: &[Effect],
    ) -> Result<(), Violation> {
        let Some(committed) = self.committed.remove(&served) else { return Ok(()) };
        let should = "The operation that commits something says whom to wake or to signal for it.";
        let missing = |what: String| Err(Violation::now("effects", what, should));
        let is_woken = |(timer, due): &(Timer, Timestamp)| wakes(effects, timer).any(|woken| woken <= *due);
        if let Some((timer, _)) = committed.set.iter().find(|set| !is_woken(set)) {
            return missing(format!("the timer {} is set, and no one wakes it", names::timer(timer)));
        }
        let Some(cause) = cause else { return Ok(()) };
        // The process has forgotten the timer that it has run.
        if !committed.ended.contains(cause) && wakes(effects, cause).next().is_none() {
            return missing(format!(
                "the timer {} is not over, and no one wakes it again",
                names::timer(cause)
            ));
        }
        // By requests, only the owner of a queue makes it longer: when it is created, or begins anew.
        let is_told = |client: &QsClientId| effects.contains(&Effect::Signal(*client));
        match committed.longer.iter().find(|client| !is_told(client)) {
            Some(client) => missing(format!("{client:?} is longer, and no one tells its owner")),
            None => Ok(()),
        }
    }
}

/// Returns the times for which a timer is woken.
fn wakes(effects: &[Effect], timer: &Timer) -> impl Iterator<Item = Timestamp> {
    effects.iter().filter_map(move |effect| match effect {
        Effect::Wake { timer: woken, due } if woken == timer => Some(*due),
        _ => None,
    })
}
