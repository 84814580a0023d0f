//! Faults of machines and of the network: crashes and partitions.

use std::time::Duration;

use super::{event::Event, process::Process, state::World};
use crate::{
    clock::Skew, disk::StoreFaults, network::Partition, node::Node, oracle::Violation, plan::FaultKind,
};

impl World {
    /// Kills process `number` of a homeserver: everything that it had not committed is gone.
    pub(super) fn crash(&mut self, server: usize, number: usize, lasts: Duration) {
        let machine = self.servers[server].machines[number];
        if !self.faults_over && self.machines[machine].node.take().is_some() {
            self.machines[machine].paused_until = None;
            self.report.crashes += 1;
            self.after(lasts, Event::Restart { machine });
        }
    }

    /// Starts the process of a machine, unless it runs.
    pub(super) fn restart(&mut self, machine: usize) {
        let place = &mut self.machines[machine];
        if place.node.is_some() {
            return;
        }
        place.start += 1;
        place.node = Some(Node::new(self.servers[place.server].homeserver(place.number)));
        let (process, server) = (Process { machine, start: place.start }, place.server);
        self.start_timers(process);
        for user in 0..self.users.len() {
            if self.users[user].server == server {
                self.listen(user);
            }
        }
    }

    pub(super) fn partition(&mut self, fault: usize) {
        if let FaultKind::Partition { one_side } = &self.plan.faults[fault].kind
            && !self.faults_over
        {
            self.report.fault("splits");
            self.partitions.insert(fault, Partition::between(one_side.iter().copied()));
        }
    }

    pub(super) fn heal(&mut self, fault: usize) {
        self.partitions.remove(&fault);
    }

    /// Sets the clock that a fault of the plan is about.
    pub(super) fn set_clock(&mut self, fault: usize, by_milliseconds: i64) {
        if self.faults_over {
            return;
        }
        let skew = match self.plan.faults[fault].kind {
            FaultKind::ServerClock { server, .. } => &mut self.servers[server].skew,
            FaultKind::UserClock { user, .. } => &mut self.users[user].skew,
            _ => return,
        };
        *skew = skew.stepped(by_milliseconds);
        self.report.fault("clock steps");
        if let FaultKind::ServerClock { server, .. } = self.plan.faults[fault].kind {
            self.servers[server].machines.clone().into_iter().for_each(|machine| self.reset_timers(machine));
        }
    }

    /// Ends all faults: the network and the stores work, and every process and client runs again.
    pub(super) fn end_faults(&mut self) -> Result<(), Violation> {
        self.faults_over = true;
        self.network = self.network.without_faults();
        self.store_faults = StoreFaults::none();
        self.partitions.clear();
        for (server, plan) in self.servers.iter_mut().zip(&self.plan.servers) {
            server.skew = Skew::from_milliseconds(plan.skew_milliseconds);
        }
        (0..self.machines.len()).for_each(|machine| self.reset_timers(machine));
        for (user, plan) in self.users.iter_mut().zip(&self.plan.users) {
            user.skew = Skew::from_milliseconds(plan.skew_milliseconds);
        }
        for machine in 0..self.machines.len() {
            self.restart(machine);
        }
        self.check_settled_later();
        (0..self.users.len()).try_for_each(|user| self.restart_client(user))
    }
}
