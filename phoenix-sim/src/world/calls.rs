//! Requests and answers on their way: between users and homeservers, and between homeservers.

use std::{fmt, sync::Arc, time::Duration};

use phoenix_core::{
    client::ExchangeId,
    codec::decode,
    error::PeerFailure,
    homeserver::Input,
    identifiers::Domain,
    operation::Ask,
    wire::envelope::{ResponseEnvelope, ResponseOutcome},
};

use super::{
    World,
    events::{Event, operation_name},
    machines::{Origin, Process},
};
use crate::{adversary::AttemptId, oracle::Violation};

/// Names a call: a request and, some time, the end of waiting for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallId(u64);

impl fmt::Display for CallId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "call {}", self.0)
    }
}

/// Who waits for an answer.
#[derive(Debug, Clone)]
pub enum Caller {
    /// A user's client.
    User(usize, ExchangeId),
    /// A process of a homeserver.
    Node(Process, Ask),
    /// The dishonest homeserver.
    Adversary(AttemptId),
}

/// A call under way.
#[derive(Debug)]
pub(super) struct Call {
    caller: Caller,
    request: Arc<Vec<u8>>,
}

/// How long callers wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);

impl World {
    /// Sends a request to a homeserver.
    pub(super) fn call(&mut self, caller: Caller, domain: &Domain, request: Vec<u8>) -> CallId {
        let id = CallId(self.next_call);
        self.next_call += 1;
        self.trace.note(format!("{id} {} to {domain}", operation_name(&request)));
        self.trace.bytes(&request);
        let request = Arc::new(request);
        let from = self.home(&caller);
        self.calls.insert(id, Call { caller: caller.clone(), request: Arc::clone(&request) });
        self.after(TIMEOUT, Event::Failed { call: id });
        let Some(to) = self.servers.iter().position(|server| server.domain == *domain) else { return id };
        self.overhear(&caller, to, &request);
        for delay in self.deliver(from, to) {
            let machines = &self.servers[to].machines;
            let machine = machines[self.randoms.network.below(machines.len() as u64) as usize];
            self.after(delay, Event::Arrive { call: id, machine, request: Arc::clone(&request) });
        }
        id
    }

    /// What becomes of a message between two homeservers, or a homeserver and another one's user.
    fn deliver(&mut self, from: usize, to: usize) -> Vec<Duration> {
        let arrivals = self.network.send(&mut self.randoms.network);
        if self.splits.values().any(|split| split.separates(from, to)) {
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

    /// The homeserver whose side of the network the caller is on.
    fn home(&self, caller: &Caller) -> usize {
        match caller {
            Caller::User(user, _) => self.users[*user].server,
            Caller::Node(process, _) => self.machines[process.machine].server,
            Caller::Adversary(_) => self.servers.len() - 1,
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
            // Either nobody answers, or the connection is turned away.
            if self.randoms.network.below(2) == 0 {
                self.after(Duration::from_millis(5), Event::Failed { call });
            }
            return Ok(());
        }
        let origin = Origin::Call(call, Arc::clone(request));
        self.accept(machine, Input::Request(request), origin)
    }

    /// A process has an answer for a caller.
    pub(super) fn reply(
        &mut self,
        server: usize,
        (call, request): (CallId, &[u8]),
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
        for delay in self.deliver(server, to) {
            self.after(delay, Event::Answered { call, answer: reply.clone() });
        }
        Ok(())
    }

    /// A caller gets its answer, or none. Only the first that comes counts.
    pub(super) fn end_call(
        &mut self,
        call: CallId,
        answer: Result<Vec<u8>, PeerFailure>,
    ) -> Result<(), Violation> {
        let Some(ended) = self.calls.remove(&call) else { return Ok(()) };
        match ended.caller {
            Caller::User(user, exchange) => {
                if let (Ok(answer), Some(adversary)) = (&answer, &mut self.adversary) {
                    adversary.overhear_answer(self.users[user].server, &ended.request, answer);
                }
                let now = self.user_time(user);
                self.users[user].client.respond(exchange, answer, now);
                self.drive_user(user)
            }
            Caller::Node(process, ask) => self.answer_node(process, &ask, &answer),
            Caller::Adversary(attempt) => self.judge_attempt(attempt, answer),
        }
    }
}
