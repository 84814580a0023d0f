//! Timers: those that a process sets, and those that others have left in the store.

use phoenix_core::{
    dispatch::Input,
    operation::{Timer, timers},
    store::Reads,
    time::Timestamp,
};

use super::{event::Event, machine::Origin, process::Process, state::World};
use crate::{names, oracle::Violation};

/// How many timers one scan returns at most.
const TIMERS_PER_SCAN: usize = 4096;

impl World {
    /// Sets the timers of a process that has just started.
    pub(super) fn start_timers(&mut self, process: Process) {
        let now = self.machine_time(process.machine);
        self.wake(process, &timers::SWEEP, now);
        self.scan_timers(process);
    }

    /// Sets the timers that are in the store, and schedules the next scan, if there is one.
    pub(super) fn scan_timers(&mut self, process: Process) {
        if self.node(process).is_none() {
            return;
        }
        let now = self.machine_time(process.machine);
        let server = &mut self.servers[self.machines[process.machine].server];
        let scan = timers::scan(TIMERS_PER_SCAN);
        server.journal.read(&Reads { keys: Vec::new(), scans: vec![scan.clone()] });
        let (rows, times) = (&server.disk.rows, &server.config.times);
        let keys = rows.scan(&scan);
        let found: Vec<_> =
            keys.iter().filter_map(|key| timers::from_row(key, rows.get(key)?, now, times)).collect();
        for (timer, due) in found {
            if self.wake(process, &timer, due) && timer != timers::SWEEP {
                self.trace.note(format!("it finds the timer {}", names::timer(&timer)));
                self.trace.tells();
            }
        }
        if self.plan.periodic.scans {
            self.after(self.plan.habits.scan_timers, Event::ScanTimers { process });
        }
    }

    /// Schedules a timer for the time at which the machine's clock reads `due`, or now if that has passed.
    /// Returns `false` if it is set already.
    pub(super) fn wake(&mut self, process: Process, timer: &Timer, due: Timestamp) -> bool {
        let now = self.machine_time(process.machine);
        let due = due.max(now);
        let is_new = self.node(process).is_some_and(|node| node.wake_at(timer, due));
        if is_new {
            self.after(due - now, Event::Timer { process, timer: timer.clone(), due });
        }
        is_new
    }

    /// Schedules the timers of a process anew: its clock was set, and what was far away may be due.
    pub(super) fn reset_timers(&mut self, machine: usize) {
        let now = self.machine_time(machine);
        let process = Process { machine, start: self.machines[machine].start };
        let Some(node) = self.node(process) else { return };
        let timers: Vec<_> = node.timers().map(|(timer, due)| (timer.clone(), due)).collect();
        for (timer, due) in timers {
            self.after(due - now, Event::Timer { process, timer, due });
        }
    }

    pub(super) fn run_timer(
        &mut self,
        process: Process,
        timer: &Timer,
        due: Timestamp,
    ) -> Result<(), Violation> {
        if self.node(process).is_some_and(|node| node.is_due(timer, due)) {
            return self.accept(process.machine, Input::Timer(timer), Origin::Timer(timer.clone()));
        }
        self.trace.is_nothing();
        Ok(())
    }
}
