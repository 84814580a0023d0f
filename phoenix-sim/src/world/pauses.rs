//! Processes that pause: they handle nothing for a while, and then what has arrived meanwhile.

use std::time::Duration;

use super::{call::Caller, event::Event, process::Process, state::World};

impl World {
    /// Pauses process `number` of a homeserver, if it runs: until the faults end at the latest.
    pub(super) fn pause(&mut self, server: usize, number: usize, lasts: Duration) {
        let machine = self.servers[server].machines[number];
        let lasts = lasts.min(self.plan.faults_end.saturating_sub(self.clock.elapsed()));
        let until = self.clock.now() + lasts;
        let place = &mut self.machines[machine];
        if place.node.is_some() {
            place.paused_until = place.paused_until.max(Some(until));
            self.report.fault("pauses");
        }
    }

    /// Returns `event`, or has it wait if it is for a process that is paused.
    pub(super) fn unless_paused(&mut self, event: Event) -> Option<Event> {
        let Some(machine) = self.machine_of(&event) else { return Some(event) };
        let now = self.clock.now();
        let Some(until) = self.machines[machine].paused_until.filter(|until| *until > now) else {
            return Some(event);
        };
        // What the store has read is what it had when it answered.
        let event = match event {
            Event::Supply { process, operation, early, reads } => {
                let rows = self.answer_read(process, early, &reads);
                Event::Supplied { process, operation, rows }
            }
            other => other,
        };
        self.trace.note(format!("waits until machine {machine} goes on"));
        self.report.fault("events of paused processes");
        self.schedule.add(until, self.trace.current(), event);
        None
    }

    /// Returns the machine whose running process alone can handle an event. What stores and networks do goes
    /// on while a process is paused.
    fn machine_of(&self, event: &Event) -> Option<usize> {
        let process = match event {
            Event::Arrive { machine, .. } => return Some(*machine),
            Event::Supply { process, .. }
            | Event::Supplied { process, .. }
            | Event::Settle { process, .. }
            | Event::Flush { process }
            | Event::Timer { process, .. }
            | Event::ScanTimers { process } => *process,
            Event::Answered { call, .. } | Event::Failed { call } => {
                match self.calls.get(call).map(|call| &call.caller) {
                    Some(Caller::Process { process, .. }) => *process,
                    _ => return None,
                }
            }
            _ => return None,
        };
        let Process { machine, start } = process;
        (self.machines[machine].start == start).then_some(machine)
    }
}
