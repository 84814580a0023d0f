//! Timers: those that a process sets, and those that others have left in the store.

use std::time::Duration;

use phoenix_core::{
    dispatch::Input,
    operation::{Timer, timers},
    time::Timestamp,
};

use super::{event::Event, machine::Origin, process::Process, state::World};
use crate::{names, oracle::Violation};

/// How often a process looks for timers that others have set.
const SCAN_TIMERS: Duration = Duration::from_secs(5);

/// How many timers one scan returns at most.
const TIMERS_PER_SCAN: usize = 4096;

impl World {
    /// Sets the timers of a process that has just started.
    pub(super) fn start_timers(&mut self, process: Process) {
        let now = self.machine_time(process.machine);
        self.wake(process, &timers::SWEEP, now);
        self.scan_timers(process);
    }

    /// Sets the timers that are in the store, and schedules the next scan.
    pub(super) fn scan_timers(&mut self, process: Process) {
        if self.node(process).is_none() {
            return;
        }
        let rows = &self.servers[self.machines[process.machine].server].disk.rows;
        let keys = rows.scan(&timers::scan(TIMERS_PER_SCAN));
        let found: Vec<_> = keys.iter().filter_map(|key| timers::from_row(key, rows.get(key)?)).collect();
        for (timer, due) in found {
            if self.wake(process, &timer, due) && timer != timers::SWEEP {
                self.trace.note(format!("it finds the timer {}", names::timer(&timer)));
                self.trace.tells();
            }
        }
        self.after(SCAN_TIMERS, Event::ScanTimers { process });
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

    pub(super) fn run_timer(
        &mut self,
        process: Process,
        timer: &Timer,
        due: Timestamp,
    ) -> Result<(), Violation> {
        if self.node(process).is_some_and(|node| node.is_due(timer, due)) {
            return self.accept(process.machine, Input::Timer(timer), Origin::Timer);
        }
        self.trace.is_nothing();
        Ok(())
    }
}
