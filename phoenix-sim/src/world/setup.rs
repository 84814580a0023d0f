//! From a plan to a world with its first events.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use phoenix_core::rng::Random;

use super::{
    event::Event,
    machine::Machine,
    state::{Randoms, World},
};
use crate::{
    adversary::Adversary,
    clock::Clock,
    generate,
    malice::{Damages, Malice},
    names::Book,
    oracle::{
        Oracles,
        misdelivered::Misdelivered,
        rows::{Homeserver, Rows},
    },
    plan::{DeviceCopy, FaultKind, Plan, ServerPlan},
    report::Report,
    schedule::Schedule,
    server::Server,
    trace::Trace,
    user::User,
};

/// When users read their queues for the first time.
const FIRST_READ: Duration = Duration::from_secs(10);

impl World {
    /// Creates the world of `plan` at its beginning: no process runs, no user has an account.
    pub fn new(plan: Plan) -> Self {
        let seed = generate::seed_bytes(plan.settings.seed);
        let random = |label: &str| Random::derive(&seed, label, &[b"world"]);
        let mut world = Self {
            clock: Clock::starting(plan.start),
            schedule: Schedule::default(),
            randoms: Randoms {
                network: random("network"),
                stores: random("stores"),
                operations: random("operations"),
                users: random("users"),
                clients: random("clients"),
            },
            network: plan.network.clone(),
            store_faults: plan.store_faults.clone(),
            partitions: BTreeMap::new(),
            servers: Vec::new(),
            machines: Vec::new(),
            users: Vec::new(),
            groups: BTreeMap::new(),
            finished: BTreeMap::new(),
            given_up: BTreeSet::new(),
            handed_out: BTreeMap::new(),
            calls: BTreeMap::new(),
            next_call: 0,
            adversary: None,
            damages: Damages::default(),
            malice: Malice::new(
                plan.servers.iter().map(|server| server.config.domain.clone()).collect(),
                random("malicious clients"),
            ),
            oracles: Oracles::default(),
            trace: Trace::new(plan.start),
            names: Book::default(),
            report: Report { seed: plan.settings.seed, ..Report::default() },
            repeat: None,
            is_settled: false,
            faults_over: false,
            plan,
        };
        world.populate(&seed);
        world.learn_names();
        world
    }

    fn populate(&mut self, seed: &[u8; 32]) {
        let plan = self.plan.clone();
        for server in &plan.servers {
            self.add_server(server, seed);
        }
        let homeserver = |server: &Server| Homeserver {
            domain: server.domain.clone(),
            keys: server.keys(),
            config: server.config.clone(),
        };
        let last = self.servers.last().map(|server| server.domain.clone());
        let dishonest = last.filter(|_| !plan.attempts.is_empty());
        self.oracles.rows = Rows::new(self.servers.iter().map(homeserver).collect(), dishonest);
        self.oracles.misdelivered = Misdelivered::new(&plan);
        self.oracles.enqueued.may_mark_twice = plan.leniency().permits_missing();
        self.oracles.wrong_clocks = plan.sets_server_clocks();
        self.oracles.excused.permitted = plan.leniency();
        self.oracles.refusals.permitted = plan.leniency();
        for (number, user) in plan.users.iter().enumerate() {
            let random = Random::derive(seed, "user", &[&(number as u64).to_be_bytes()]);
            let plant = plan.settings.client_plant();
            self.users.push(User::new(user, &plan.packages, &self.servers[user.server], plant, random));
            if plan.periodic.polls {
                self.after(FIRST_READ, Event::ReadQueues { user: number, again: true });
            }
        }
        for (number, intent) in plan.intents.iter().enumerate() {
            self.after(intent.at, Event::Intent { intent: number });
        }
        self.schedule_faults(&plan);
        if !plan.attempts.is_empty() {
            self.adversary = Some(Adversary::new(&self.servers, Random::derive(seed, "adversary", &[])));
        }
        for at in &plan.attempts {
            self.after(*at, Event::Attempt);
        }
        for loan in &plan.loans {
            self.after(loan.at, Event::AbuseKeys { user: loan.user });
        }
        self.after(plan.faults_end, Event::FaultsEnd);
    }

    fn add_server(&mut self, plan: &ServerPlan, seed: &[u8; 32]) {
        let server = self.servers.len();
        let machines = self.machines.len()..self.machines.len() + plan.nodes;
        self.servers.push(Server::new(plan, machines.clone().collect(), seed, self.plan.start));
        for (number, machine) in machines.enumerate() {
            self.machines.push(Machine::new(server, number));
            self.after(Duration::ZERO, Event::Restart { machine });
        }
    }

    fn schedule_faults(&mut self, plan: &Plan) {
        for (number, fault) in plan.faults.iter().enumerate() {
            match fault.kind {
                FaultKind::Crash { server, number } => {
                    self.after(fault.at, Event::Crash { server, number, lasts: fault.lasts });
                }
                FaultKind::Partition { .. } => {
                    self.after(fault.at, Event::Partition { fault: number });
                    self.after(fault.at + fault.lasts, Event::Heal { fault: number });
                }
                FaultKind::ServerClock { by_milliseconds, .. }
                | FaultKind::UserClock { by_milliseconds, .. } => {
                    self.after(fault.at, Event::SetClock { fault: number, by_milliseconds });
                    let by_milliseconds = -by_milliseconds;
                    self.after(fault.at + fault.lasts, Event::SetClock { fault: number, by_milliseconds });
                }
                FaultKind::ClientCrash { user, copy, .. } => {
                    if let DeviceCopy::Older(age) = copy {
                        let at = fault.at.saturating_sub(age);
                        self.after(at, Event::CopyDevice { user, fault: number });
                    }
                    self.after(fault.at, Event::DoomClient { user, fault: number });
                }
                FaultKind::Pause { .. }
                | FaultKind::PowerFailure { .. }
                | FaultKind::StoreRestored { .. }
                | FaultKind::DamagedRow { .. } => self.schedule_mishap(number),
            }
        }
    }
}
