//! The loop of a world: it takes one event after the other and handles it.

use std::sync::atomic::{AtomicU64, Ordering};

use phoenix_core::{crypto::null::NullCryptography, error::PeerFailure};

use super::{event::Event, state::World};
use crate::{
    generate,
    interpose::{self, WorldError},
    oracle::Violation,
    plan::{Cryptography, Plan, Settings, text::run_command},
    report::Report,
};

/// A world that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedRun {
    /// Its figures and, if an oracle failed, what it found.
    pub report: Report,
    /// Its last events, one a line, the oldest first.
    pub log: Vec<String>,
}

/// Runs the world of `settings` to its end, in a thread of its own.
///
/// # Errors
/// [`WorldError`] if the world could not be run to its end. What an oracle finds is no error: it is in the
/// report.
pub fn run(settings: &Settings) -> Result<Report, WorldError> {
    run_logged(settings, &AtomicU64::new(0), 0).map(|run| run.report)
}

/// Runs the world of `settings` as [`run`] does, keeps `progress` at the number of events handled so far, for
/// a caller that watches from another thread, and returns at most the last `lines` events too.
///
/// # Errors
/// As [`run`].
pub fn run_logged(settings: &Settings, progress: &AtomicU64, lines: usize) -> Result<LoggedRun, WorldError> {
    let repeat = run_command(settings);
    interpose::in_world(settings.seed, || run_here(generate::plan(settings), repeat, progress, lines))
}

/// Runs the world of `plan` as [`run_logged`] does; `repeat` is the command that does it again.
///
/// # Errors
/// As [`run`].
pub fn run_plan(
    plan: &Plan,
    repeat: String,
    progress: &AtomicU64,
    lines: usize,
) -> Result<LoggedRun, WorldError> {
    interpose::in_world(plan.settings.seed, || run_here(plan.clone(), repeat, progress, lines))
}

fn run_here(plan: Plan, repeat: String, progress: &AtomicU64, lines: usize) -> LoggedRun {
    let _null = (plan.settings.cryptography == Cryptography::Null).then(NullCryptography::switch_on);
    let mut world = World::new(plan);
    world.repeat = Some(repeat);
    world.run(progress);
    let log = world.trace.last(lines).iter().map(|line| world.names.apply(line)).collect();
    LoggedRun { report: world.into_report(), log }
}

impl World {
    /// Runs until everything has settled or an oracle fails, and keeps `progress` at the number of events
    /// handled.
    pub fn run(&mut self, progress: &AtomicU64) {
        while !self.is_settled && self.report.passed() && self.step() {
            progress.store(self.trace.count(), Ordering::Relaxed);
        }
    }

    /// Handles the next event. Returns `false` if none is scheduled.
    pub fn step(&mut self) -> bool {
        let Some(next) = self.schedule.take() else { return false };
        self.clock.advance_to(next.due);
        let sort = next.event.sort();
        self.trace.begin(next.due, next.number, next.cause, sort, next.event.describe());
        if let Err(violation) = self.handle(next.event) {
            self.fail(&violation);
        }
        true
    }

    fn handle(&mut self, event: Event) -> Result<(), Violation> {
        let Some(event) = self.unless_paused(event) else { return Ok(()) };
        match event {
            Event::Arrive { call, machine, request } => self.arrive(call, machine, &request),
            Event::Answered { call, answer } => self.end_call(call, Ok(answer)),
            Event::Failed { call } => self.end_call(call, Err(PeerFailure::NoAnswer)),
            Event::Supply { process, operation, early, reads } => {
                self.supply(process, operation, early, &reads)
            }
            Event::Apply { process, operation, commit, outlives_crash } => {
                self.apply(process, operation, &commit, outlives_crash)
            }
            Event::Settle { process, operation, settlement, version } => {
                self.settle(process, operation, settlement, version)
            }
            Event::Flush { process } => self.flush(process),
            Event::Timer { process, timer, due } => self.run_timer(process, &timer, due),
            Event::ScanTimers { process } => {
                self.scan_timers(process);
                Ok(())
            }
            Event::Crash { server, number, lasts } => {
                self.crash(server, number, lasts);
                Ok(())
            }
            Event::Restart { machine } => {
                self.restart(machine);
                Ok(())
            }
            Event::Partition { fault } => {
                self.partition(fault);
                Ok(())
            }
            Event::Heal { fault } => {
                self.heal(fault);
                Ok(())
            }
            Event::SetClock { fault, by_milliseconds } => {
                self.set_clock(fault, by_milliseconds);
                Ok(())
            }
            Event::Mishap { fault, stage } => self.mishap(fault, stage),
            Event::Supplied { process, operation, rows } => self.supplied(process, operation, rows),
            Event::Store { user, start } => self.store(user, start),
            Event::Confirm { user, start, event } => self.confirm(user, start, event),
            Event::CopyDevice { user, fault } => {
                self.copy_device(user, fault);
                Ok(())
            }
            Event::DoomClient { user, fault } => {
                self.doom_client(user, fault);
                Ok(())
            }
            Event::RestartClient { user } => self.restart_client(user),
            Event::WakeUser { user, due } => self.wake_user(user, due),
            Event::ReadQueues { user, again } => self.read_queues(user, again),
            Event::Signalled { user } => self.signalled(user),
            Event::Intent { intent } => self.try_intent(intent),
            Event::Attempt => {
                self.attempt();
                Ok(())
            }
            Event::AbuseKeys { user } => {
                self.abuse_keys(user);
                Ok(())
            }
            Event::FaultsEnd => self.end_faults(),
            Event::CheckSettled => self.check_settled(),
        }
    }
}
