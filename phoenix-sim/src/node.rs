//! A running process of a homeserver: it drives operations step by step and holds nothing that a crash must
//! not destroy.
//!
//! A node decides nothing about time, network or store. It returns what it wants done as [`Work`] and is told
//! what came of it, so that a world can interleave operations at every step and crash the process between any
//! two.

use std::collections::{BTreeMap, VecDeque};

use phoenix_core::{
    config::Plant,
    dispatch::Input,
    error::PeerFailure,
    homeserver::Homeserver,
    operation::{Ask, Lane, Operation, Outcome, Step, Timer, single_flight::SingleFlight},
    store::{Commit, Key, Reads, Row, Settlement, commit::Rows},
    time::Timestamp,
};

/// Names an operation of a node, in the order in which operations are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId(pub u64);

/// What a node wants done.
#[derive(Debug)]
pub enum Work<O> {
    /// Read rows, then call [`Node::supply`].
    Read {
        /// The operation that waits for them.
        operation: OperationId,
        /// What to read.
        reads: Reads,
    },
    /// Apply a commit, then call [`Node::settle`].
    Commit {
        /// The operation that waits for its outcome.
        operation: OperationId,
        /// What to apply.
        commit: Commit,
    },
    /// Ask a peer, then call [`Node::answer`].
    Ask(Ask),
    /// Only with [`Plant::AckBeforeCommit`]: a batch was answered for and is not durable. Call
    /// [`Node::flush`] later.
    Buffered,
    /// Carry out the outcome of an operation, which is over.
    Done {
        /// The operation.
        operation: OperationId,
        /// What the operation came from.
        origin: O,
        /// Its effects and its reply.
        outcome: Outcome,
    },
}

/// A running process. `O` says what an operation came from, and so where its reply goes.
pub struct Node<O> {
    homeserver: Homeserver,
    next: u64,
    running: BTreeMap<OperationId, Running<O>>,
    /// By the name of the lane: the operation that runs, then those that wait for it.
    lanes: BTreeMap<Vec<u8>, VecDeque<OperationId>>,
    asking: SingleFlight<OperationId>,
    timers: BTreeMap<Timer, Timestamp>,
    buffered: VecDeque<Commit>,
}

struct Running<O> {
    operation: Operation,
    origin: O,
}

impl<O> Node<O> {
    /// Creates a process that has just started: no operation runs.
    pub fn new(homeserver: Homeserver) -> Self {
        Self {
            homeserver,
            next: 0,
            running: BTreeMap::new(),
            lanes: BTreeMap::new(),
            asking: SingleFlight::new(),
            timers: BTreeMap::new(),
            buffered: VecDeque::new(),
        }
    }

    /// Accepts an input at the time `now`, which its operation serves at once, or after those before it in
    /// its lane. `seed` is the randomness of the operation.
    pub fn accept(&mut self, input: Input<'_>, now: Timestamp, seed: [u8; 32], origin: O) -> Vec<Work<O>> {
        let id = OperationId(self.next);
        self.next += 1;
        let operation = self.homeserver.accept(input, now, seed);
        let must_wait = match operation.lane() {
            Lane::Free => false,
            Lane::Of(name) => {
                let lane = self.lanes.entry(name.clone()).or_default();
                lane.push_back(id);
                lane.len() > 1
            }
        };
        self.running.insert(id, Running { operation, origin });
        let mut work = Vec::new();
        if !must_wait {
            self.advance(id, &mut work);
        }
        work
    }

    /// Supplies an operation with the rows that were read; `None` if the read failed.
    pub fn supply(&mut self, id: OperationId, rows: Option<Rows>) -> Vec<Work<O>> {
        let rows = rows.map(|mut rows| {
            rows.rows.iter_mut().for_each(|(key, row)| overlay(&self.buffered, key, row));
            rows
        });
        self.resume(id, |operation| match rows {
            Some(rows) => operation.supply(rows),
            None => operation.give_up(),
        })
    }

    /// Tells an operation what became of its commit.
    pub fn settle(&mut self, id: OperationId, settlement: Settlement) -> Vec<Work<O>> {
        self.resume(id, |operation| operation.settle(settlement))
    }

    /// Supplies all operations that asked the same question with a peer's answer.
    pub fn answer(&mut self, ask: &Ask, answer: &Result<Vec<u8>, PeerFailure>) -> Vec<Work<O>> {
        let waiting = self.asking.complete(ask);
        let each =
            waiting.into_iter().map(|id| self.resume(id, |operation| operation.answer(answer.clone())));
        each.flatten().collect()
    }

    /// Removes and returns the oldest batch that was answered for and is not durable.
    pub fn flush(&mut self) -> Option<Commit> {
        self.buffered.pop_front()
    }

    /// Sets `timer` to `due`. Returns `false` if it is set to the same time or an earlier one already.
    pub fn wake_at(&mut self, timer: &Timer, due: Timestamp) -> bool {
        if self.timers.get(timer).is_some_and(|earlier| *earlier <= due) {
            return false;
        }
        self.timers.insert(timer.clone(), due);
        true
    }

    /// Returns the timers that are set, and when each is due.
    pub fn timers(&self) -> impl Iterator<Item = (&Timer, Timestamp)> {
        self.timers.iter().map(|(timer, due)| (timer, *due))
    }

    /// Returns whether `timer`, which is due at `due`, must run now. `false` if it was set to an earlier time
    /// since.
    pub fn is_due(&mut self, timer: &Timer, due: Timestamp) -> bool {
        let is_due = self.timers.get(timer) == Some(&due);
        if is_due {
            self.timers.remove(timer);
        }
        is_due
    }

    fn resume(&mut self, id: OperationId, with: impl FnOnce(&mut Operation)) -> Vec<Work<O>> {
        let mut work = Vec::new();
        if let Some(running) = self.running.get_mut(&id) {
            with(&mut running.operation);
            self.advance(id, &mut work);
        }
        work
    }

    /// Runs an operation to its next step, and when it is over, the next one of its lane.
    fn advance(&mut self, id: OperationId, work: &mut Vec<Work<O>>) {
        let mut next = Some(id);
        while let Some(id) = next.take() {
            let Some(Running { operation, .. }) = self.running.get_mut(&id) else { return };
            match operation.poll() {
                Step::Read(reads) => work.push(Work::Read { operation: id, reads }),
                Step::Commit(commit) if self.homeserver.config().plant == Some(Plant::AckBeforeCommit) => {
                    operation.settle(Settlement::Committed);
                    self.buffered.push_back(commit);
                    work.push(Work::Buffered);
                    next = Some(id);
                }
                Step::Commit(commit) => work.push(Work::Commit { operation: id, commit }),
                Step::Ask(ask) => self.ask(id, ask, work),
                Step::Done(outcome) => next = self.finish(id, outcome, work),
            }
        }
    }

    /// Asks a peer, unless the same question is on its way already.
    fn ask(&mut self, id: OperationId, ask: Ask, work: &mut Vec<Work<O>>) {
        if self.asking.join(ask.clone(), id) {
            work.push(Work::Ask(ask));
        }
    }

    /// Ends an operation and returns the next one of its lane.
    fn finish(&mut self, id: OperationId, outcome: Outcome, work: &mut Vec<Work<O>>) -> Option<OperationId> {
        let Running { operation, origin } = self.running.remove(&id)?;
        work.push(Work::Done { operation: id, origin, outcome });
        let Lane::Of(name) = operation.lane() else { return None };
        let lane = self.lanes.get_mut(name)?;
        lane.pop_front();
        let next = lane.front().copied();
        if next.is_none() {
            self.lanes.remove(name);
        }
        next
    }
}

/// Replaces a row by what the buffered batches write to it: a node that answers too early reads its own
/// writes.
fn overlay(buffered: &VecDeque<Commit>, key: &Key, row: &mut Option<Row>) {
    for commit in buffered {
        if let Some(write) = commit.writes.iter().find(|write| write.key == *key) {
            *row = write.bytes.clone().map(|bytes| Row { version: commit.version, bytes });
        }
    }
}
