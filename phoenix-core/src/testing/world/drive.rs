//! Drives operations to their end and records all that each of them does.

use super::{recorded::Recorded, state::World};
use crate::{
    dispatch::Input,
    identifiers::Domain,
    operation::{Effect, Interrupt, Operation, Outcome, Step, Timer, Transaction},
    store::Commit,
    testing::body,
};

/// An operation under way.
pub struct Running {
    domain: Domain,
    operation: Operation,
    dropped: bool,
    /// What it has done so far.
    pub recorded: Recorded,
}

/// More steps than any operation of a test takes.
const MAX_STEPS: usize = 10_000;

impl World {
    /// Serves a request to its end.
    pub fn request(&mut self, domain: &Domain, bytes: &[u8]) -> Recorded {
        let running = self.begin(domain, Input::Request(bytes));
        self.finish(running)
    }

    /// Serves a timer to its end.
    pub fn timer(&mut self, domain: &Domain, timer: &Timer) -> Recorded {
        let running = self.begin(domain, Input::Timer(timer));
        self.finish(running)
    }

    /// Runs `body` as an operation, without faults by chance.
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

    /// Begins an operation without making a step.
    pub fn begin(&mut self, domain: &Domain, input: Input<'_>) -> Running {
        let seed = self.draw().array();
        Running::new(domain, self.servers[domain].homeserver.accept(input, self.now, seed))
    }

    /// Goes on until the operation commits, and returns its commit; `None` if it is over or was dropped.
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

    /// Carries the commit to the store, and the settlement to the operation.
    pub fn settle_commit(&mut self, running: &mut Running, commit: Commit) {
        let settlement = self.commit(&running.domain, &commit);
        running.recorded.commits.push((commit, settlement));
        if self.crashes() {
            running.dropped = true;
        } else {
            running.operation.settle(settlement);
        }
    }

    /// Serves all `requests` at the same time, each at a node of its own: none commits before all of them want to.
    pub fn race(&mut self, domain: &Domain, requests: &[Vec<u8>]) -> Vec<Recorded> {
        let mut running: Vec<Running> =
            requests.iter().map(|bytes| self.begin(domain, Input::Request(bytes))).collect();
        let mut commits: Vec<Option<Commit>> =
            running.iter_mut().map(|running| self.until_commit(running)).collect();
        while commits.iter().any(Option::is_some) {
            for (running, next) in running.iter_mut().zip(&mut commits) {
                if let Some(commit) = next.take() {
                    self.settle_commit(running, commit);
                    *next = self.until_commit(running);
                }
            }
        }
        running.into_iter().map(|running| running.recorded).collect()
    }

    /// Goes on to the end of the operation.
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
