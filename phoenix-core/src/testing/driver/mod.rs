//! Drives operations of several homeservers to their end, records all that each of them does, and checks after
//! every commit that what waits has a timer.

pub mod faults;
mod recorded;
mod timers;

use std::collections::{BTreeMap, BTreeSet};

use self::faults::Faults;
pub use self::recorded::Recorded;
use super::body;
use crate::{
    dispatch::Input,
    homeserver::Homeserver,
    identifiers::Domain,
    operation::{Ask, Effect, Interrupt, Operation, Outcome, Report, Step, Timer, Transaction},
    store::{Commit, MemoryStore, RecordKind},
    time::Timestamp,
    wire::operations::OperationKind,
};

/// A homeserver and its rows.
#[derive(Clone)]
pub struct Server {
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
    pub servers: BTreeMap<Domain, Server>,
    /// Who reaches nobody and is reached by nobody.
    pub down: BTreeSet<Domain>,
    /// What is answered in a homeserver's place.
    pub impostors: BTreeMap<Domain, Vec<u8>>,
    /// Every question that was asked, answered or not.
    pub asks: Vec<Ask>,
    /// What operators were told.
    pub reports: Vec<Report>,
    /// What goes wrong.
    pub faults: Faults,
    /// Decides what the homeservers draw, and what goes wrong when.
    pub seed: [u8; 32],
    draws: u64,
    /// Timers that wait longer than their rows say.
    postponed: BTreeMap<(Domain, Timer), Timestamp>,
}

/// An operation under way.
pub struct Running {
    domain: Domain,
    operation: Operation,
    dropped: bool,
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
            servers: BTreeMap::new(),
            down: BTreeSet::new(),
            impostors: BTreeMap::new(),
            asks: Vec::new(),
            reports: Vec::new(),
            faults: Faults::default(),
            seed: [7; 32],
            draws: 0,
            postponed: BTreeMap::new(),
        }
    }

    /// Adds a homeserver with an empty store, or with the store that its predecessor has left.
    pub fn add(&mut self, homeserver: Homeserver) {
        let domain = homeserver.domain().clone();
        let store = self.servers.remove(&domain).map(|server| server.store).unwrap_or_default();
        self.servers.insert(domain, Server { homeserver, store });
    }

    /// The rows of a homeserver.
    pub fn store(&self, domain: &Domain) -> &MemoryStore {
        &self.servers[domain].store
    }

    /// The rows of a homeserver, to change them behind its back.
    pub fn store_mut(&mut self, domain: &Domain) -> &mut MemoryStore {
        &mut self.servers.get_mut(domain).unwrap().store
    }

    /// How many rows of this kind the homeserver of this name has.
    pub fn count(&self, name: &str, kind: RecordKind) -> usize {
        self.store(&name.parse().unwrap()).count(kind)
    }

    /// How often an operation was asked of a homeserver by others.
    pub fn asked_for(&self, domain: &Domain, kind: OperationKind) -> usize {
        let code = kind.code().to_be_bytes();
        self.asks.iter().filter(|ask| ask.domain == *domain && ask.request[2..4] == code).count()
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

    /// Runs `body` as an operation, undisturbed.
    pub fn perform(
        &mut self,
        at: &Domain,
        body: impl Fn(&mut Transaction<'_>) -> Result<(), Interrupt> + Send + 'static,
    ) {
        let homeserver = self.servers[at].homeserver.clone();
        let body = move |transaction: &mut Transaction<'_>| body(transaction).map(|()| Some(Vec::new()));
        let operation = body::operation(homeserver, self.now, self.draw().array(), body);
        let chaos = std::mem::take(&mut self.faults.chaos);
        let running = Running::new(at, operation);
        self.finish(running).reply.filter(Vec::is_empty).expect("test bodies are not refused");
        self.faults.chaos = chaos;
    }

    /// Begins an operation, without a step.
    pub fn begin(&mut self, domain: &Domain, input: Input<'_>) -> Running {
        let seed = self.draw().array();
        Running::new(domain, self.servers[domain].homeserver.accept(input, self.now, seed))
    }

    /// Goes on until the operation wants to commit; `None` if it is over, or was dropped.
    pub fn until_commit(&mut self, running: &mut Running) -> Option<Commit> {
        for _ in 0..MAX_STEPS {
            if running.dropped {
                return None;
            }
            let step = running.operation.poll();
            if self.crashes() {
                running.dropped = true;
                return None;
            }
            match step {
                Step::Read(reads) => {
                    running.operation.supply(self.store(&running.domain).read(&reads));
                    running.recorded.reads.push(reads);
                }
                Step::Ask(ask) => {
                    let answer = self.ask(&running.domain, &ask);
                    running.recorded.asks.push(ask);
                    running.operation.answer(answer);
                }
                Step::Commit(commit) => return Some(commit),
                Step::Done(Outcome { reply, effects }) => {
                    self.postpone(&running.domain, &effects);
                    let reports = effects.iter().filter_map(|effect| match effect {
                        Effect::Report(report) => Some(report.clone()),
                        Effect::Wake { .. } | Effect::Signal(_) | Effect::Listening(_) => None,
                    });
                    self.reports.extend(reports);
                    running.recorded.reply = reply;
                    running.recorded.effects = effects;
                    return None;
                }
            }
        }
        panic!("the operation never ends");
    }

    /// Gives the commit to the store.
    pub fn settle_commit(&mut self, running: &mut Running, commit: Commit) {
        let settlement = self.commit(&running.domain, &commit);
        running.recorded.commits.push((commit, settlement));
        if self.crashes() {
            running.dropped = true;
        } else {
            running.operation.settle(settlement);
        }
    }

    /// Goes on to the end.
    pub fn finish(&mut self, mut running: Running) -> Recorded {
        while let Some(commit) = self.until_commit(&mut running) {
            self.settle_commit(&mut running, commit);
        }
        running.recorded
    }
}

impl Running {
    fn new(domain: &Domain, operation: Operation) -> Self {
        Self { domain: domain.clone(), operation, dropped: false, recorded: Recorded::default() }
    }
}
