//! The state of a world, which the other files of this folder extend by methods.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use phoenix_core::{
    identifiers::{GroupId, RequestId},
    rng::Random,
    time::Timestamp,
};

use super::{
    call::{Call, CallId},
    event::Event,
    machine::{Machine, Origin},
    process::Process,
};
use crate::{
    adversary::Adversary,
    clock::Clock,
    disk::StoreFaults,
    malice::{Damages, Malice},
    names::Book,
    network::{Conditions, Partition},
    node::Node,
    oracle::{self, Oracles, Violation},
    plan::{GroupNumber, Plan},
    report::{Failure, Report},
    schedule::{EventNumber, Schedule},
    server::Server,
    trace::Trace,
    user::User,
};

/// How many of the last events a failure shows.
const LAST_EVENTS: usize = 12;

/// How many events a failure shows after the one that it contradicts.
const NEXT_EVENTS: usize = 8;

/// A world that has begun.
pub struct World {
    pub(super) plan: Plan,
    pub(super) clock: Clock,
    pub(super) schedule: Schedule<Event>,
    pub(super) randoms: Randoms,
    pub(super) network: Conditions,
    pub(super) store_faults: StoreFaults,
    /// The partitions in force, by the number of their fault.
    pub(super) partitions: BTreeMap<usize, Partition>,
    pub(super) servers: Vec<Server>,
    pub(super) machines: Vec<Machine>,
    pub(super) users: Vec<User>,
    pub(super) groups: BTreeMap<GroupNumber, GroupId>,
    /// The intents that are done, each with the step of the world in which it was.
    pub(super) finished: BTreeMap<usize, u64>,
    /// The intents that have become impossible.
    pub(super) given_up: BTreeSet<usize>,
    /// The packages that were handed out, each with the first request for it.
    pub(super) handed_out: BTreeMap<Vec<u8>, RequestId>,
    pub(super) calls: BTreeMap<CallId, Call>,
    pub(super) next_call: u64,
    pub(super) adversary: Option<Adversary>,
    pub(super) malice: Malice,
    pub(super) damages: Damages,
    pub(super) oracles: Oracles,
    pub(super) trace: Trace,
    pub(super) names: Book,
    pub(super) report: Report,
    /// The command that runs this world again, if it is known.
    pub(super) repeat: Option<String>,
    pub(super) is_settled: bool,
    pub(super) faults_over: bool,
}

/// Randomness in one stream for each concern, so that a change of one does not shift the draws of another.
pub(super) struct Randoms {
    pub network: Random,
    pub stores: Random,
    pub operations: Random,
    pub users: Random,
    pub clients: Random,
}

impl World {
    /// Schedules `event` after `delay`, with the current event as its cause.
    pub(super) fn after(&mut self, delay: Duration, event: Event) -> EventNumber {
        self.schedule.add(self.clock.now() + delay, self.trace.current(), event)
    }

    /// Returns the time by the clock of a machine.
    pub(super) fn machine_time(&self, machine: usize) -> Timestamp {
        self.servers[self.machines[machine].server].skew.reads(self.clock.now())
    }

    /// Returns the time by the clock of a user's device.
    pub(super) fn user_time(&self, user: usize) -> Timestamp {
        self.users[user].skew.reads(self.clock.now())
    }

    /// Returns the node of a process. `None`: the process has crashed.
    pub(super) fn node(&mut self, process: Process) -> Option<&mut Node<Origin>> {
        let machine = &mut self.machines[process.machine];
        if machine.start == process.start { machine.node.as_mut() } else { None }
    }

    /// Returns whether the machine of a process runs another one by now.
    pub(super) fn has_restarted(&self, process: Process) -> bool {
        self.machines[process.machine].start != process.start
    }

    /// Ends the world with a failure: the chain of causes of what the oracle found, and the last events.
    pub(super) fn fail(&mut self, violation: &Violation) {
        debug_assert!(
            oracle::NAMES.contains(&violation.oracle),
            "{} is not among the oracles",
            violation.oracle
        );
        self.learn_names();
        let stages = violation.journey.iter().map(|stage| {
            let reached =
                stage.event.map_or_else(|| "not reached".to_owned(), |event| self.trace.when(event));
            self.names.apply(&format!("{reached:>22}  {}", stage.what))
        });
        let journey = stages.collect();
        let mut chain = Vec::new();
        if let Some(since) = violation.since {
            chain = self.trace.chain(since);
            let next = self.trace.next(since, NEXT_EVENTS);
            if !next.is_empty() {
                chain.push("What happened next:".to_owned());
                chain.extend(next);
            }
            chain.push("… and now:".to_owned());
        }
        // What both chains have in common is shown once.
        let now = self.trace.chain(self.trace.current());
        let common = now.iter().take_while(|line| chain.contains(line)).count();
        let common = common.min(now.len().saturating_sub(1));
        chain.extend(now.into_iter().skip(common));
        chain.push("The last events:".to_owned());
        chain.extend(self.trace.last_telling(LAST_EVENTS));
        let chain = chain.iter().map(|line| self.names.apply(line)).collect();
        self.report.failure = Some(Failure {
            oracle: violation.oracle.to_owned(),
            what: self.names.apply(&violation.what),
            should: self.names.apply(&violation.should),
            step: self.trace.count(),
            journey,
            repeat: self.repeat.clone(),
            chain,
        });
    }

    /// Ends the world and returns its figures.
    pub fn into_report(mut self) -> Report {
        let Oracles { acknowledged, duplicates, epochs, order, .. } = &self.oracles;
        self.report.delivered = acknowledged.received();
        self.report.acknowledged = acknowledged.count();
        self.report.lost = self.oracles.lost().len() as u64;
        self.report.unchecked = acknowledged.unchecked(epochs, order);
        self.report.given_up = self.given_up.len() as u64;
        self.report.duplicated = duplicates.count;
        self.report.epochs = epochs.changes;
        self.report.events = self.trace.count();
        self.report.virtual_seconds = self.clock.elapsed().as_secs();
        let settled_after = self.clock.elapsed().saturating_sub(self.plan.faults_end);
        self.report.settled_after_seconds = settled_after.as_secs();
        self.report.rest_bound_seconds = self.plan.rest_bound().as_secs();
        self.report.trace_hash = self.trace.hash();
        self.report
    }

    /// The homeservers, in the plan's order.
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// The homeservers, in the plan's order. A test may damage their stores.
    pub fn servers_mut(&mut self) -> &mut [Server] {
        &mut self.servers
    }

    /// The users, in the plan's order. A test may give their clients further tasks.
    pub fn users_mut(&mut self) -> &mut [User] {
        &mut self.users
    }

    /// The group with this number in the plan, once it exists.
    pub fn group(&self, number: GroupNumber) -> Option<&GroupId> {
        self.groups.get(&number)
    }

    /// The world's clock, which is right. Those of homeservers and users are off by their `skew`.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Returns what an oracle found wrong, if one did.
    pub fn failure(&self) -> Option<&Failure> {
        self.report.failure.as_ref()
    }
}
