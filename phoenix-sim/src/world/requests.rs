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
    event::{Event, operation_name},
    machine::Origin,
    state::World,
};
use crate::oracle::Violation;

/// How long a caller waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How soon a caller learns that its connection is refused.
const CONNECTION_REFUSED: Duration = Duration::from_millis(5);

impl World {
    /// Sends a request to a homeserver.
    pub(super) fn call(&mut self, caller: Caller, domain: &Domain, request: Vec<u8>) {
        let id = CallId(self.next_call);
        self.next_call += 1;
        self.trace.note(format!("{id} {} to {domain}", operation_name(&request)));
        self.trace.bytes(&request);
        let request = Arc::new(request);
        let from = self.home(&caller);
        self.calls.insert(id, Call { caller: caller.clone(), request: Arc::clone(&request) });
        self.after(TIMEOUT, Event::Failed { call: id });
        let Some(to) = self.servers.iter().position(|server| server.domain == *domain) else { return };
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
            return Vec::new();
        }
        match arrivals.len() {
            0 => self.report.fault("messages lost"),
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
            // Either nothing answers until the timeout, or the connection is refused at once.
            if self.randoms.network.below(2) == 0 {
                self.after(CONNECTION_REFUSED, Event::Failed { call });
            }
            return Ok(());
        }
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
            *self.report.refusals.entry(refusal.code()).or_default() += 1;
            self.trace.note(format!("{call} {} refused: {refusal}", operation_name(request)));
        } else {
            self.trace.note(format!("{call} {} served", operation_name(request)));
        }
        self.oracles.answered(server, request, &reply)?;
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
        let Some(ended) = self.calls.remove(&call) else { return Ok(()) };
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
