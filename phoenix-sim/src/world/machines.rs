//! Homeservers and the processes they run on: starting, crashing, timers, and the work of operations.

use std::{fmt, sync::Arc, time::Duration};

use phoenix_core::{
    config::Config,
    dispatch::Input,
    error::PeerFailure,
    homeserver::Homeserver,
    identifiers::Domain,
    keys::ServiceKeys,
    operation::{Ask, Effect, Outcome, Timer, timers},
    rng::Random,
    time::Timestamp,
};

use super::{
    World,
    calls::{CallId, Caller},
    events::Event,
};
use crate::{
    clock::{START, Skew},
    disk::Disk,
    network::Split,
    node::{Node, Work},
    oracle::Violation,
    plan::{FaultKind, ServerPlan},
};

/// A homeserver: what its processes share, and what outlives them.
pub struct Server {
    /// Its domain.
    pub domain: Domain,
    /// Its settings; each process has a name of its own.
    pub config: Config,
    /// Its store.
    pub disk: Disk,
    /// How far its clock is off.
    pub skew: Skew,
    /// Its processes.
    pub machines: Vec<usize>,
    key_seed: [u8; 32],
}

/// A place where a process runs, or could.
pub(super) struct Machine {
    pub server: usize,
    number: usize,
    /// Which start this is: what is meant for an earlier one comes too late.
    pub start: u32,
    pub node: Option<Node<Origin>>,
}

/// One start of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Where it runs.
    pub machine: usize,
    /// Which start it is.
    pub start: u32,
}

impl fmt::Display for Process {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "machine {}.{}", self.machine, self.start)
    }
}

/// Where an operation came from.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    Call(CallId, Arc<Vec<u8>>),
    Timer,
}

/// How often a process looks for timers that others have set.
const SCAN_TIMERS: Duration = Duration::from_secs(5);

/// How many timers are looked for at once.
const TIMERS_PER_SCAN: usize = 4096;

impl Server {
    /// Its keys, as in its key file.
    pub fn keys(&self) -> ServiceKeys {
        ServiceKeys::generate(&self.domain, &mut Random::from_seed(self.key_seed), START)
    }

    /// What one of its processes runs.
    pub fn homeserver(&self, number: usize) -> Homeserver {
        let mut config = self.config.clone();
        config.node = [number as u8 + 1; 16];
        Homeserver::new(config, self.keys())
    }
}

impl World {
    pub(super) fn add_server(&mut self, plan: &ServerPlan, seed: &[u8; 32]) {
        let server = self.servers.len();
        let key_seed = Random::derive(seed, "keys", &[plan.config.domain.as_str().as_bytes()]).array();
        let machines = self.machines.len()..self.machines.len() + plan.nodes;
        self.servers.push(Server {
            domain: plan.config.domain.clone(),
            config: plan.config.clone(),
            disk: Disk::default(),
            skew: Skew::from_milliseconds(plan.skew_milliseconds),
            machines: machines.clone().collect(),
            key_seed,
        });
        for (number, machine) in machines.enumerate() {
            self.machines.push(Machine { server, number, start: 0, node: None });
            self.after(Duration::ZERO, Event::Restart { machine });
        }
    }

    /// What the clock of a machine reads.
    pub(super) fn machine_time(&self, machine: usize) -> Timestamp {
        self.servers[self.machines[machine].server].skew.reads(self.clock.now())
    }

    /// The node of this process, unless it has crashed since.
    pub(super) fn node(&mut self, at: Process) -> Option<&mut Node<Origin>> {
        let machine = &mut self.machines[at.machine];
        if machine.start == at.start { machine.node.as_mut() } else { None }
    }

    pub(super) fn restart(&mut self, machine: usize) -> Result<(), Violation> {
        let Machine { server, number, node: None, .. } = self.machines[machine] else { return Ok(()) };
        let node = Node::new(self.servers[server].homeserver(number));
        let place = &mut self.machines[machine];
        place.start += 1;
        place.node = Some(node);
        let at = Process { machine, start: place.start };
        let now = self.machine_time(machine);
        self.wake(at, &timers::SWEEP, now);
        self.scan_timers(at)
    }

    pub(super) fn crash(&mut self, server: usize, node: usize, lasts: Duration) -> Result<(), Violation> {
        let machine = self.servers[server].machines[node];
        if !self.faults_over && self.machines[machine].node.take().is_some() {
            self.report.crashes += 1;
            self.after(lasts, Event::Restart { machine });
        }
        Ok(())
    }

    pub(super) fn split(&mut self, number: usize) -> Result<(), Violation> {
        if let FaultKind::Split(side) = &self.plan.faults[number].kind
            && !self.faults_over
        {
            self.report.fault("splits");
            self.splits.insert(number, Split::between(side.iter().copied()));
        }
        Ok(())
    }

    pub(super) fn heal(&mut self, number: usize) -> Result<(), Violation> {
        self.splits.remove(&number);
        Ok(())
    }

    /// Looks for timers that are in the store, now and again.
    pub(super) fn scan_timers(&mut self, at: Process) -> Result<(), Violation> {
        if self.node(at).is_none() {
            return Ok(());
        }
        let disk = &self.servers[self.machines[at.machine].server].disk;
        let keys = disk.scan(&timers::scan(TIMERS_PER_SCAN));
        let found: Vec<_> = keys.iter().filter_map(|key| timers::from_row(key, disk.row(key)?)).collect();
        for (timer, due) in found {
            self.wake(at, &timer, due);
        }
        self.after(SCAN_TIMERS, Event::ScanTimers { at });
        Ok(())
    }

    /// Has a timer run when the machine's clock reads `due`.
    fn wake(&mut self, at: Process, timer: &Timer, due: Timestamp) {
        let now = self.machine_time(at.machine);
        let due = due.max(now);
        let Some(node) = self.node(at) else { return };
        if node.wake_at(timer, due) {
            let delay = due - now;
            self.after(delay, Event::Timer { at, timer: timer.clone(), due });
        }
    }

    pub(super) fn run_timer(&mut self, at: Process, timer: &Timer, due: Timestamp) -> Result<(), Violation> {
        if self.node(at).is_some_and(|node| node.is_due(timer, due)) {
            return self.accept(at.machine, Input::Timer(timer), Origin::Timer);
        }
        Ok(())
    }

    /// Gives an input to a process that is up.
    pub(super) fn accept(
        &mut self,
        machine: usize,
        input: Input<'_>,
        origin: Origin,
    ) -> Result<(), Violation> {
        let seed = self.randoms.operations.array();
        let now = self.machine_time(machine);
        let place = &mut self.machines[machine];
        let at = Process { machine, start: place.start };
        let Some(node) = &mut place.node else { return Ok(()) };
        self.report.operations += 1;
        let work = node.accept(input, (now, seed), origin);
        self.carry_out(at, work)
    }

    /// Does what a process wants done.
    pub(super) fn carry_out(&mut self, at: Process, work: Vec<Work<Origin>>) -> Result<(), Violation> {
        for work in work {
            match work {
                Work::Read(operation, reads) => self.read(at, operation, reads),
                Work::Commit(operation, commit) => self.commit(at, operation, commit),
                Work::Buffered => self.flush_later(at),
                Work::Ask(ask) => {
                    let (domain, request) = (ask.domain.clone(), ask.request.clone());
                    self.call(Caller::Node(at, ask), &domain, request);
                }
                Work::Done(origin, outcome) => self.finish(at, origin, outcome)?,
            }
        }
        Ok(())
    }

    pub(super) fn answer_node(
        &mut self,
        at: Process,
        ask: &Ask,
        answer: &Result<Vec<u8>, PeerFailure>,
    ) -> Result<(), Violation> {
        let Some(node) = self.node(at) else { return Ok(()) };
        let work = node.answer(ask, answer);
        self.carry_out(at, work)
    }

    /// An operation is over: its effects, then its reply.
    fn finish(&mut self, at: Process, origin: Origin, outcome: Outcome) -> Result<(), Violation> {
        for effect in outcome.effects {
            match effect {
                Effect::Wake { timer, due } => self.wake(at, &timer, due),
                Effect::Signal(client) => self.signal(&client),
                // Users here look for themselves.
                Effect::Listening(_) => {}
                Effect::Report(report) => self.trace.note(format!("{at} reports {report:?}")),
            }
        }
        match (origin, outcome.reply) {
            (Origin::Call(call, request), Some(reply)) => {
                self.reply(self.machines[at.machine].server, (call, &request), reply)
            }
            _ => Ok(()),
        }
    }
}
