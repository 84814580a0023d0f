//! One process of a homeserver: drives operations step by step and holds nothing that a crash must not take.
//!
//! A node decides nothing about time, network or store. It says what it wants as [`Work`] and is told what came
//! of it, so that a world can interleave operations at every step and crash between any two.

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

/// Names an operation of a node, in the order in which they were accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId(pub u64);

/// What a node wants done.
#[derive(Debug)]
pub enum Work<O> {
    /// Read, then call [`Node::supply`].
    Read(OperationId, Reads),
    /// Commit, then call [`Node::settle`].
    Commit(OperationId, Commit),
    /// Ask the peer, then call [`Node::answer`].
    Ask(Ask),
    /// A batch was answered for without being durable: call [`Node::flush`] some time.
    Buffered,
    /// An operation is over.
    Done(O, Outcome),
}

/// A running process. `O` says where an operation came from, and so where its outcome goes.
pub struct Node<O> {
    homeserver: Homeserver,
    next: u64,
    running: BTreeMap<OperationId, (Operation, O)>,
    lanes: BTreeMap<Vec<u8>, VecDeque<OperationId>>,
    asking: SingleFlight<OperationId>,
    timers: BTreeMap<Timer, Timestamp>,
    buffered: VecDeque<Commit>,
}

impl<O> Node<O> {
    /// A process that has just started: nothing is under way.
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

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.running.is_empty() && self.buffered.is_empty()
    }

    /// Begins to serve an input: at once, or when those before it in its lane are through.
    pub fn accept(
        &mut self,
        input: Input<'_>,
        (now, seed): (Timestamp, [u8; 32]),
        origin: O,
    ) -> Vec<Work<O>> {
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
        self.running.insert(id, (operation, origin));
        let mut work = Vec::new();
        if !must_wait {
            self.advance(id, &mut work);
        }
        work
    }

    /// Gives what was read; `None` if the store could not.
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

    /// Tells what became of a commit.
    pub fn settle(&mut self, id: OperationId, settlement: Settlement) -> Vec<Work<O>> {
        self.resume(id, |operation| operation.settle(settlement))
    }

    /// Gives a peer's answer to all operations that asked the same.
    pub fn answer(&mut self, ask: &Ask, answer: &Result<Vec<u8>, PeerFailure>) -> Vec<Work<O>> {
        let waiting = self.asking.complete(ask);
        let each =
            waiting.into_iter().map(|id| self.resume(id, |operation| operation.answer(answer.clone())));
        each.flatten().collect()
    }

    /// Takes the oldest batch that was answered for but is not durable.
    pub fn flush(&mut self) -> Option<Commit> {
        self.buffered.pop_front()
    }

    /// Notes that `timer` is to run at `due`. False if it will run by then anyway.
    pub fn wake_at(&mut self, timer: &Timer, due: Timestamp) -> bool {
        if self.timers.get(timer).is_some_and(|earlier| *earlier <= due) {
            return false;
        }
        self.timers.insert(timer.clone(), due);
        true
    }

    /// Whether `timer` is to run now. False if it was put forward, and ran already.
    pub fn is_due(&mut self, timer: &Timer, due: Timestamp) -> bool {
        let is_due = self.timers.get(timer) == Some(&due);
        if is_due {
            self.timers.remove(timer);
        }
        is_due
    }

    fn resume(&mut self, id: OperationId, with: impl FnOnce(&mut Operation)) -> Vec<Work<O>> {
        let mut work = Vec::new();
        if let Some((operation, _)) = self.running.get_mut(&id) {
            with(operation);
            self.advance(id, &mut work);
        }
        work
    }

    /// Runs an operation up to its next step; when it is over, those that waited for it too.
    fn advance(&mut self, id: OperationId, work: &mut Vec<Work<O>>) {
        let mut next = Some(id);
        while let Some(id) = next.take() {
            let Some((operation, _)) = self.running.get_mut(&id) else { return };
            match operation.poll() {
                Step::Read(reads) => work.push(Work::Read(id, reads)),
                Step::Commit(commit) if self.homeserver.config().plant == Some(Plant::AckBeforeCommit) => {
                    operation.settle(Settlement::Committed);
                    self.buffered.push_back(commit);
                    work.push(Work::Buffered);
                    next = Some(id);
                }
                Step::Commit(commit) => work.push(Work::Commit(id, commit)),
                Step::Ask(ask) => self.ask(id, ask, work),
                Step::Done(outcome) => next = self.finish(id, outcome, work),
            }
        }
    }

    /// Equal questions under way are one.
    fn ask(&mut self, id: OperationId, ask: Ask, work: &mut Vec<Work<O>>) {
        if self.asking.join(ask.clone(), id) {
            work.push(Work::Ask(ask));
        }
    }

    /// Ends an operation; gives the next of its lane.
    fn finish(&mut self, id: OperationId, outcome: Outcome, work: &mut Vec<Work<O>>) -> Option<OperationId> {
        let (operation, origin) = self.running.remove(&id)?;
        work.push(Work::Done(origin, outcome));
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

/// What a node that answers too early believes to be in the store.
fn overlay(buffered: &VecDeque<Commit>, key: &Key, row: &mut Option<Row>) {
    for commit in buffered {
        if let Some(write) = commit.writes.iter().find(|write| write.key == *key) {
            *row = write.bytes.clone().map(|bytes| Row { version: commit.version, bytes });
        }
    }
}
