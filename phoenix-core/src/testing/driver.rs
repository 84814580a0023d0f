//! Drives operations of several homeservers to their end, and records all that each of them does.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::store::MemoryStore;
use crate::{
    error::{PeerFailure, Refusal},
    homeserver::{Homeserver, Input},
    identifiers::Domain,
    operation::{Ask, Effect, Operation, Outcome, Step, Timer},
    rng::Random,
    store::{Commit, Key, Reads, RecordKind, Settlement},
    time::Timestamp,
    wire::{codec::Codec, envelope::ResponseEnvelope, operations::OperationKind},
};

/// All that one operation has done.
#[derive(Debug, Default)]
pub struct Recorded {
    /// What it asked the store for, round by round.
    pub reads: Vec<Reads>,
    /// What it asked of others.
    pub asks: Vec<Ask>,
    /// What it committed, attempt by attempt, and what came of it.
    pub commits: Vec<(Commit, Settlement)>,
    /// The encoded answer.
    pub reply: Option<Vec<u8>>,
    /// What it wants to happen.
    pub effects: Vec<Effect>,
}

impl Recorded {
    /// The answer, read.
    pub fn answer<R: Codec>(&self) -> Result<R, Refusal> {
        ResponseEnvelope::read(self.reply.as_ref().unwrap()).unwrap()
    }

    /// Why it was refused.
    pub fn refusal(&self) -> Option<Refusal> {
        let envelope: ResponseEnvelope = crate::wire::codec::decode(self.reply.as_ref()?).unwrap();
        match envelope.outcome {
            crate::wire::envelope::ResponseOutcome::Refused(refusal) => Some(refusal),
            crate::wire::envelope::ResponseOutcome::Reply(_) => None,
        }
    }

    /// The keys that were read, over all rounds.
    pub fn read_keys(&self) -> BTreeSet<Key> {
        self.reads.iter().flat_map(|reads| reads.keys.clone()).collect()
    }

    /// The kinds of records that were read.
    pub fn read_kinds(&self) -> BTreeSet<RecordKind> {
        self.read_keys().iter().map(Key::kind).collect()
    }

    /// The last commit.
    pub fn commit(&self) -> &Commit {
        &self.commits.last().unwrap().0
    }

    /// The kinds of records that the last commit writes.
    pub fn written_kinds(&self) -> BTreeSet<RecordKind> {
        let writes = self.commit().writes.iter().filter(|write| write.bytes.is_some());
        writes.map(|write| write.key.kind()).collect()
    }

    /// The kinds of records that the last commit deletes.
    pub fn deleted_kinds(&self) -> BTreeSet<RecordKind> {
        let writes = self.commit().writes.iter().filter(|write| write.bytes.is_none());
        writes.map(|write| write.key.kind()).collect()
    }
}

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

/// A homeserver and its rows.
#[derive(Clone)]
pub struct Node {
    /// The homeserver.
    pub homeserver: Homeserver,
    /// Its rows.
    pub store: MemoryStore,
}

/// Homeservers that reach each other, and one clock.
#[derive(Clone)]
pub struct World {
    /// The time.
    pub now: Timestamp,
    /// The homeservers.
    pub nodes: BTreeMap<Domain, Node>,
    /// Who cannot be reached.
    pub unreachable: BTreeSet<Domain>,
    /// What is answered in a homeserver's place.
    pub impostors: BTreeMap<Domain, Vec<u8>>,
    /// Every question that was asked, answered or not.
    pub asked: Vec<Ask>,
    /// What becomes of the next commits.
    pub troubles: VecDeque<Trouble>,
    /// An operation that gets no answer, whoever is asked for it.
    pub intercepted: Option<OperationKind>,
    timers: BTreeMap<(Domain, Timer), Timestamp>,
    random: u64,
}

/// An operation under way.
pub struct Running {
    domain: Domain,
    operation: Operation,
    /// What it has done so far.
    pub recorded: Recorded,
}

/// More steps than any operation here takes.
const MAX_STEPS: usize = 10_000;

impl World {
    /// No homeserver yet.
    pub fn new(now: Timestamp) -> Self {
        Self {
            now,
            nodes: BTreeMap::new(),
            unreachable: BTreeSet::new(),
            impostors: BTreeMap::new(),
            asked: Vec::new(),
            troubles: VecDeque::new(),
            intercepted: None,
            timers: BTreeMap::new(),
            random: 0,
        }
    }

    /// Adds a homeserver with an empty store, or with the store that its predecessor has left.
    pub fn add(&mut self, homeserver: Homeserver) {
        let domain = homeserver.domain().clone();
        let store = self.nodes.remove(&domain).map(|node| node.store).unwrap_or_default();
        self.nodes.insert(domain, Node { homeserver, store });
    }

    /// The rows of a homeserver.
    pub fn store(&self, domain: &Domain) -> &MemoryStore {
        &self.nodes[domain].store
    }

    /// The rows of a homeserver, to change them behind its back.
    pub fn store_mut(&mut self, domain: &Domain) -> &mut MemoryStore {
        &mut self.nodes.get_mut(domain).unwrap().store
    }

    /// How often an operation was asked of a homeserver by others.
    pub fn asked_for(&self, domain: &Domain, kind: OperationKind) -> usize {
        let code = kind.code().to_be_bytes();
        self.asked.iter().filter(|ask| ask.domain == *domain && ask.request[2..4] == code).count()
    }

    /// Serves a request to the end.
    pub fn request(&mut self, domain: &Domain, bytes: &[u8]) -> Recorded {
        let running = self.begin(domain, Input::Request(bytes));
        self.finish(running)
    }

    /// Serves a timer to the end.
    pub fn timer(&mut self, domain: &Domain, timer: &Timer) -> Recorded {
        let running = self.begin(domain, Input::Timer(timer));
        self.finish(running)
    }

    /// Begins an operation, without a step.
    pub fn begin(&mut self, domain: &Domain, input: Input<'_>) -> Running {
        self.random += 1;
        let seed = Random::derive(&[7; 32], "driver", &[&self.random.to_be_bytes()]).array();
        let operation = self.nodes[domain].homeserver.accept(input, self.now, seed);
        Running { domain: domain.clone(), operation, recorded: Recorded::default() }
    }

    /// Goes on until the operation wants to commit, or is over.
    pub fn until_commit(&mut self, running: &mut Running) -> Option<Commit> {
        for _ in 0..MAX_STEPS {
            match running.operation.poll() {
                Step::Read(reads) => {
                    running.operation.supply(self.store(&running.domain).read(&reads));
                    running.recorded.reads.push(reads);
                }
                Step::Ask(ask) => {
                    running.recorded.asks.push(ask.clone());
                    let answer = self.answer(&ask);
                    running.operation.answer(answer);
                }
                Step::Commit(commit) => return Some(commit),
                Step::Done(Outcome { reply, effects }) => {
                    self.wake(&running.domain, &effects);
                    running.recorded.reply = reply;
                    running.recorded.effects = effects;
                    return None;
                }
            }
        }
        panic!("the operation never ends");
    }

    /// Gives the commit to the store.
    pub fn settle(&mut self, running: &mut Running, commit: Commit) {
        let trouble = self.troubles.pop_front();
        let store = self.store_mut(&running.domain);
        let settlement = match trouble {
            None => store.apply(&commit),
            Some(Trouble::Conflict) => Settlement::Conflict,
            Some(Trouble::UnknownLost) => Settlement::Unknown,
            Some(Trouble::UnknownApplied) => {
                assert_eq!(store.apply(&commit), Settlement::Committed);
                Settlement::Unknown
            }
        };
        running.recorded.commits.push((commit, settlement));
        running.operation.settle(settlement);
    }

    /// Goes on to the end.
    pub fn finish(&mut self, mut running: Running) -> Recorded {
        while let Some(commit) = self.until_commit(&mut running) {
            self.settle(&mut running, commit);
        }
        running.recorded
    }

    /// Runs timers that are due until none is.
    pub fn run_until_idle(&mut self) -> Vec<Recorded> {
        let mut recorded = Vec::new();
        while let Some(next) = self.next_due(self.now) {
            assert!(recorded.len() < MAX_STEPS, "timers never come to rest");
            self.timers.remove(&next);
            recorded.push(self.timer(&next.0, &next.1));
        }
        recorded
    }

    /// Timers of a homeserver, with the time at which each is due.
    pub fn timers(&self, domain: &Domain) -> Vec<(Timer, Timestamp)> {
        let timers = self.timers.iter().filter(|((at, _), _)| at == domain);
        timers.map(|((_, timer), due)| (timer.clone(), *due)).collect()
    }

    fn next_due(&self, now: Timestamp) -> Option<(Domain, Timer)> {
        let due = self.timers.iter().filter(|(_, due)| **due <= now);
        due.min_by_key(|(_, due)| **due).map(|(name, _)| name.clone())
    }

    fn answer(&mut self, ask: &Ask) -> Result<Vec<u8>, PeerFailure> {
        self.asked.push(ask.clone());
        if let Some(answer) = self.impostors.get(&ask.domain) {
            return Ok(answer.clone());
        }
        let intercepted = self.intercepted.map(|kind| kind.code().to_be_bytes());
        if intercepted.is_some_and(|code| ask.request[2..4] == code) {
            return Err(PeerFailure);
        }
        if self.unreachable.contains(&ask.domain) || !self.nodes.contains_key(&ask.domain) {
            return Err(PeerFailure);
        }
        self.request(&ask.domain.clone(), &ask.request).reply.ok_or(PeerFailure)
    }

    fn wake(&mut self, domain: &Domain, effects: &[Effect]) {
        for effect in effects {
            if let Effect::Wake { timer, due } = effect {
                self.timers.insert((domain.clone(), timer.clone()), *due);
            }
        }
    }
}
