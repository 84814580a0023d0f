//! Requests and answers on their way: between users and homeservers, and between homeservers.

use std::{sync::Arc, time::Duration};

use phoenix_core::{
    codec::decode,
    dispatch::Input,
    error::PeerFailure,
    identifiers::Domain,
    wire::envelope::{ResponseEnvelope, ResponseOutcome},
};

use super::{
    call::{Call, CallId, Caller},
    event::{Event, is_reading, operation_name},
    machine::Origin,
    state::World,
};
use crate::{
    oracle::{Moment, Violation},
    plan::TIMEOUT,
};

/// How soon a caller learns that its connection is refused.
const CONNECTION_REFUSED: Duration = Duration::from_millis(5);

impl World {
    /// Sends a request to a homeserver.
    pub(super) fn call(&mut self, caller: Caller, domain: &Domain, request: Vec<u8>) {
        let is_honest = matches!(caller, Caller::User { .. } | Caller::Process { .. });
        let id = CallId { number: self.next_call, is_honest };
        self.next_call += 1;
        self.trace.note(format!("{id} {} to {domain}", operation_name(&request)));
        if !is_reading(&request) {
            self.trace.tells();
        }
        self.trace.bytes(&request);
        let request = Arc::new(request);
        let from = self.home(&caller);
        self.calls.insert(id, Call { caller: caller.clone(), request: Arc::clone(&request) });
        self.after(TIMEOUT, Event::Failed { call: id });
        let Some(to) = self.servers.iter().position(|server| server.domain == *domain) else { return };
        if id.is_honest {
            self.mark_request(from, &request);
        }
        self.overhear(&caller, to, &request);
        for delay in self.transmit(from, to) {
            let machines = &self.servers[to].machines;
            let machine = machines[self.randoms.network.below(machines.len() as u64) as usize];
            self.after(delay, Event::Arrive { call: id, machine, request: Arc::clone(&request) });
        }
    }

    /// Decides what becomes of a message from the side of one homeserver to that of another. Returns the
    /// delays of the copies that arrive.
    fn transmit(&mut self, from: usize, to: usize) -> Vec<Duration> {
        let arrivals = self.network.send(&mut self.randoms.network);
        if self.partitions.values().any(|partition| partition.separates(from, to)) {
            self.report.fault("messages cut off");
            self.trace.note("a partition cuts the message off".to_owned());
            return Vec::new();
        }
        match arrivals.len() {
            0 => {
                self.report.fault("messages lost");
                self.trace.note("the message is lost on its way".to_owned());
            }
            1 => {}
            _ => self.report.fault("messages doubled"),
        }
        arrivals
    }

    /// Returns the homeserver on whose side of a partition the caller is.
    fn home(&self, caller: &Caller) -> usize {
        match caller {
            Caller::User { user, .. } | Caller::Malice { user, .. } => self.users[*user].server,
            Caller::Process { process, .. } => self.machines[process.machine].server,
            Caller::Adversary { .. } => self.servers.len() - 1,
        }
    }

    pub(super) fn arrive(
        &mut self,
        call: CallId,
        machine: usize,
        request: &Arc<Vec<u8>>,
    ) -> Result<(), Violation> {
        let is_up = self.machines[machine].node.is_some();
        if !is_up {
            self.trace.note("nothing runs there".to_owned());
            // Either nothing answers until the timeout, or the connection is refused at once.
            if self.randoms.network.below(2) == 0 {
                self.after(CONNECTION_REFUSED, Event::Failed { call });
            }
            return Ok(());
        }
        let server = self.machines[machine].server;
        self.oracles.allowances.arrives(server, request, self.machine_time(machine));
        let origin = Origin::Call { call, request: Arc::clone(request) };
        self.accept(machine, Input::Request(request), origin)
    }

    /// Sends the reply of homeserver `server` to the caller.
    pub(super) fn reply(
        &mut self,
        server: usize,
        call: CallId,
        request: &[u8],
        reply: Vec<u8>,
    ) -> Result<(), Violation> {
        self.trace.bytes(&reply);
        if let Ok(ResponseEnvelope { outcome: ResponseOutcome::Refused(refusal), .. }) = decode(&reply) {
            if call.is_honest {
                self.mark_refusal(server, call, request, &refusal);
                let name = format!("{}: {}", operation_name(request), refusal.code());
                *self.report.refusals.entry(name).or_default() += 1;
                self.oracles.refusals.refused(request, &refusal, self.clock.now())?;
            }
            self.trace.note(format!("{call} {} refused: {refusal}", operation_name(request)));
            self.trace.tells();
        } else {
            self.mark_reply(request, &reply);
            self.trace.note(format!("{call} {} served", operation_name(request)));
        }
        let now = self.servers[server].skew.reads(self.clock.now());
        let moment = Moment { now, number: self.trace.current() };
        self.oracles.answered(server, moment, request, &reply)?;
        let Some(caller) = self.calls.get(&call).map(|call| call.caller.clone()) else { return Ok(()) };
        let to = self.home(&caller);
        for delay in self.transmit(server, to) {
            self.after(delay, Event::Answered { call, answer: reply.clone() });
        }
        Ok(())
    }

    /// Ends a call with an answer or a failure. Only the first one counts.
    pub(super) fn end_call(
        &mut self,
        call: CallId,
        answer: Result<Vec<u8>, PeerFailure>,
    ) -> Result<(), Violation> {
        let Some(ended) = self.calls.remove(&call) else {
            self.trace.is_nothing();
            return Ok(());
        };
        match ended.caller {
            Caller::User { user, start, exchange } => {
                if let Ok(answer) = &answer {
                    self.overhear_answer(&ended.request, answer);
                }
                self.answer_user(user, start, exchange, &ended.request, answer)
            }
            Caller::Process { process, ask } => self.answer_process(process, &ask, &answer),
            Caller::Adversary { attempt } => self.judge_attempt(attempt, answer),
            Caller::Malice { attempt, .. } => self.judge_abuse(attempt, answer),
        }
    }
}
