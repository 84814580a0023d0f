//! Processes at work: inputs, the steps of operations, and their outcomes.

use phoenix_core::{
    dispatch::Input,
    error::PeerFailure,
    operation::{Ask, Effect, Outcome, Report as OperatorReport},
};

use super::{call::Caller, machine::Origin, process::Process, state::World};
use crate::{
    node::{OperationId, Work},
    oracle::Violation,
};

impl World {
    /// Has the process of a machine serve an input, if it runs.
    pub(super) fn accept(
        &mut self,
        machine: usize,
        input: Input<'_>,
        origin: Origin,
    ) -> Result<(), Violation> {
        let seed = self.randoms.operations.array();
        let now = self.machine_time(machine);
        let place = &mut self.machines[machine];
        let process = Process { machine, start: place.start };
        let Some(node) = &mut place.node else { return Ok(()) };
        self.report.operations += 1;
        let work = node.accept(input, now, seed, origin);
        self.carry_out(process, work)
    }

    /// Starts the work that a process wants done.
    pub(super) fn carry_out(&mut self, process: Process, work: Vec<Work<Origin>>) -> Result<(), Violation> {
        for work in work {
            match work {
                Work::Read { operation, reads } => self.read(process, operation, reads),
                Work::Commit { operation, commit } => self.commit(process, operation, commit),
                Work::Buffered => self.flush_later(process),
                Work::Ask(ask) => {
                    let (domain, request) = (ask.domain.clone(), ask.request.clone());
                    self.call(Caller::Process { process, ask }, &domain, request);
                }
                Work::Done { operation, origin, outcome } => {
                    self.finish(process, operation, origin, outcome)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn answer_process(
        &mut self,
        process: Process,
        ask: &Ask,
        answer: &Result<Vec<u8>, PeerFailure>,
    ) -> Result<(), Violation> {
        let Some(node) = self.node(process) else { return Ok(()) };
        let work = node.answer(ask, answer);
        self.carry_out(process, work)
    }

    /// Carries out the effects of an operation that is done, then sends its reply.
    fn finish(
        &mut self,
        process: Process,
        operation: OperationId,
        origin: Origin,
        outcome: Outcome,
    ) -> Result<(), Violation> {
        let cause = if let Origin::Timer(timer) = &origin { Some(timer) } else { None };
        self.oracles.effects.done(process.serving(operation), cause, &outcome.effects)?;
        for effect in outcome.effects {
            match effect {
                Effect::Wake { timer, due } => {
                    self.wake(process, &timer, due);
                }
                Effect::Signal(client) => self.signal(&client),
                // Simulated users send no such request: those that do not poll are told of every signal.
                Effect::Listening(_) => {}
                Effect::Report(report @ OperatorReport::OutboxDropped { .. }) => {
                    self.mark_dropped();
                    self.trace.note(format!("{process} reports {report:?}"));
                }
                Effect::Report(report) => self.trace.note(format!("{process} reports {report:?}")),
            }
        }
        if let (Origin::Call { call, request }, Some(reply)) = (origin, outcome.reply) {
            self.reply(self.machines[process.machine].server, call, &request, reply)?;
        }
        Ok(())
    }
}
