//! A world: homeservers, users, a network and an attacker, moved on event by event.
//!
//! Everything that happens follows from the [`Plan`] and its seed. Run a world inside
//! [`in_world`](crate::interpose::in_world), or through [`run`], which does.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use phoenix_core::rng::Random;

use crate::{
    adversary::Adversary,
    clock::Clock,
    disk::Trouble,
    generate,
    interpose::{self, WorldError},
    network::{Conditions, Split},
    oracle::{Oracles, Violation},
    plan::{FaultKind, GroupNumber, Plan, Settings},
    report::{Failure, Report},
    schedule::{EventNumber, Schedule},
    trace::Trace,
    user::User,
};

mod attacks;
mod calls;
mod events;
mod intents;
mod machines;
mod rest;
mod stores;

pub use calls::Caller;
pub use machines::Server;

use calls::{Call, CallId};
use events::Event;
use machines::Machine;

/// A world under way.
pub struct World {
    plan: Plan,
    clock: Clock,
    schedule: Schedule<Event>,
    randoms: Randoms,
    network: Conditions,
    trouble: Trouble,
    splits: BTreeMap<usize, Split>,
    servers: Vec<Server>,
    machines: Vec<Machine>,
    users: Vec<User>,
    groups: BTreeMap<GroupNumber, phoenix_core::identifiers::GroupId>,
    unfinished_intents: usize,
    calls: BTreeMap<CallId, Call>,
    next_call: u64,
    adversary: Option<Adversary>,
    oracles: Oracles,
    trace: Trace,
    report: Report,
    at_rest: bool,
    faults_over: bool,
}

/// Randomness, in streams of its own for each concern, so that one does not shift another.
pub(crate) struct Randoms {
    pub network: Random,
    pub stores: Random,
    pub operations: Random,
    pub users: Random,
}

/// Runs the world that follows from `settings`, in a thread of its own. `progress` is moved on to the number of
/// events, for whoever watches.
///
/// # Errors
/// [`WorldError`] if the world could not run to an end; what oracles find is in the report.
pub fn run(settings: &Settings, progress: &AtomicU64) -> Result<Report, WorldError> {
    run_logged(settings, progress, 0).map(|(report, _)| report)
}

/// As [`run`]; gives up to `lines` of the last events too.
///
/// # Errors
/// As [`run`].
pub fn run_logged(
    settings: &Settings,
    progress: &AtomicU64,
    lines: usize,
) -> Result<(Report, Vec<String>), WorldError> {
    interpose::in_world(settings.seed, || {
        let mut world = World::new(generate::plan(settings));
        world.run(progress);
        let log = world.trace.last(lines);
        (world.into_report(), log)
    })
}

impl World {
    /// A world at its beginning.
    pub fn new(plan: Plan) -> Self {
        let seed = generate::seed_bytes(plan.settings.seed);
        let random = |label: &str| Random::derive(&seed, label, &[b"world"]);
        let mut world = Self {
            clock: Clock::default(),
            schedule: Schedule::default(),
            randoms: Randoms {
                network: random("network"),
                stores: random("stores"),
                operations: random("operations"),
                users: random("users"),
            },
            network: plan.network.clone(),
            trouble: plan.trouble.clone(),
            splits: BTreeMap::new(),
            servers: Vec::new(),
            machines: Vec::new(),
            users: Vec::new(),
            groups: BTreeMap::new(),
            unfinished_intents: plan.intents.len(),
            calls: BTreeMap::new(),
            next_call: 0,
            adversary: None,
            oracles: Oracles::default(),
            trace: Trace::default(),
            report: Report { seed: plan.settings.seed, ..Report::default() },
            at_rest: false,
            faults_over: false,
            plan,
        };
        world.populate(&seed);
        world
    }

    fn populate(&mut self, seed: &[u8; 32]) {
        let plan = self.plan.clone();
        for server in &plan.servers {
            self.add_server(server, seed);
        }
        let keys = self.servers.iter().map(|server| (server.domain.clone(), server.keys()));
        self.oracles.enqueued.watch(keys.collect());
        for (number, server) in plan.users.iter().enumerate() {
            self.users.push(User::new(
                &self.servers[*server],
                *server,
                Random::derive(seed, "user", &[&[number as u8]]),
            ));
            self.after(Duration::from_secs(10), Event::ReadQueues { user: number, again: true });
        }
        for (number, intent) in plan.intents.iter().enumerate() {
            self.after(intent.at, Event::Intent { number });
        }
        for (number, fault) in plan.faults.iter().enumerate() {
            match fault.kind {
                FaultKind::Crash { server, node } => {
                    self.after(fault.at, Event::Crash { server, node, lasts: fault.lasts });
                }
                FaultKind::Split(_) => {
                    self.after(fault.at, Event::Split { number });
                    self.after(fault.at + fault.lasts, Event::Heal { number });
                }
            }
        }
        if !plan.attempts.is_empty() {
            self.adversary = Some(Adversary::new(&self.servers, Random::derive(seed, "adversary", &[])));
        }
        for at in &plan.attempts {
            self.after(*at, Event::Attempt);
        }
        self.after(plan.faults_end, Event::FaultsEnd);
    }

    /// Moves on until everything has come to rest, or an oracle fails.
    pub fn run(&mut self, progress: &AtomicU64) {
        while !self.at_rest && self.report.passed() && self.step() {
            progress.store(self.trace.count(), Ordering::Relaxed);
        }
    }

    /// Moves on by one event. False if there are none.
    pub fn step(&mut self) -> bool {
        let Some(scheduled) = self.schedule.take() else { return false };
        self.clock.advance_to(scheduled.due);
        let ids = (scheduled.number, scheduled.cause);
        self.trace.begin(scheduled.due, ids, scheduled.event.describe());
        if let Err(violation) = self.handle(scheduled.event) {
            self.fail(&violation);
        }
        true
    }

    fn handle(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Arrive { call, machine, request } => self.arrive(call, machine, &request),
            Event::Answered { call, answer } => self.end_call(call, Ok(answer)),
            Event::Failed { call } => self.end_call(call, Err(phoenix_core::error::PeerFailure)),
            Event::Supply { at, operation, early, reads } => self.supply(at, operation, early, &reads),
            Event::Apply { at, operation, commit, outlives_crash } => {
                self.apply(at, operation, &commit, outlives_crash)
            }
            Event::Settle { at, operation, settlement } => self.settle(at, operation, settlement),
            Event::Flush { at } => self.flush(at),
            Event::Timer { at, timer, due } => self.run_timer(at, &timer, due),
            Event::ScanTimers { at } => self.scan_timers(at),
            Event::Crash { server, node, lasts } => self.crash(server, node, lasts),
            Event::Restart { machine } => self.restart(machine),
            Event::Split { number } => self.split(number),
            Event::Heal { number } => self.heal(number),
            Event::WakeUser { user, due } => self.wake_user(user, due),
            Event::ReadQueues { user, again } => self.read_queues(user, again),
            Event::Intent { number } => self.try_intent(number),
            Event::Attempt => self.attempt(),
            Event::FaultsEnd => self.end_faults(),
            Event::LookForRest => self.look_for_rest(),
        }
    }

    /// Has `event` happen after `delay`, because of what happens now.
    fn after(&mut self, delay: Duration, event: Event) -> EventNumber {
        self.schedule.add(self.clock.now() + delay, self.trace.current(), event)
    }

    fn fail(&mut self, violation: &Violation) {
        let mut chain = violation.since.map_or_else(Vec::new, |since| self.trace.chain(since));
        if !chain.is_empty() {
            chain.push("… and now:".to_owned());
        }
        chain.extend(self.trace.chain(self.trace.current()));
        chain.push("The last events:".to_owned());
        chain.extend(self.trace.last(12));
        self.report.failure = Some(Failure {
            oracle: violation.oracle.to_owned(),
            what: violation.what.clone(),
            step: self.trace.count(),
            chain,
        });
    }

    /// The figures.
    pub fn into_report(mut self) -> Report {
        self.report.delivered = self.oracles.acknowledged.received();
        self.report.acknowledged = self.oracles.acknowledged.count();
        self.report.lost =
            self.oracles.acknowledged.missing(&self.oracles.epochs, &self.oracles.order).len() as u64;
        self.report.duplicated = self.oracles.duplicates.count;
        self.report.epochs = self.oracles.epochs.changes;
        self.report.events = self.trace.count();
        self.report.virtual_seconds = self.clock.elapsed().as_secs();
        self.report.settled_after_seconds =
            self.clock.elapsed().saturating_sub(self.plan.faults_end).as_secs();
        self.report.trace_hash = self.trace.hash();
        self.report
    }

    /// The homeservers.
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// The users.
    pub fn users_mut(&mut self) -> &mut [User] {
        &mut self.users
    }

    /// The time.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Whether an oracle has failed.
    pub fn failure(&self) -> Option<&Failure> {
        self.report.failure.as_ref()
    }
}
