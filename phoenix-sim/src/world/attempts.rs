//! The attempts of the dishonest homeserver, and what comes of them.

use phoenix_core::{
    codec::decode,
    error::PeerFailure,
    wire::envelope::{ResponseEnvelope, ResponseOutcome},
};

use super::{call::Caller, state::World};
use crate::{
    adversary::{Attempt, AttemptId, Expected},
    oracle::Violation,
};

/// The codes of refusals that say nothing about an attempt: the rate was exceeded, a peer was unavailable, or
/// the store failed.
pub(super) const NO_VERDICT: [u16; 3] = [304, 708, 900];

/// The code of refusals of keys and credentials that a wrong clock takes for invalid.
pub(super) const INVALID: [u16; 1] = [202];

/// The codes of refusals that say nothing about an attempt if a homeserver's clock is wrong.
pub(super) const MISDATED: [u16; 2] = [201, 702];

impl World {
    /// Lets the dishonest homeserver read a request of anyone else.
    pub(super) fn overhear(&mut self, caller: &Caller, to: usize, request: &[u8]) {
        let user = match caller {
            Caller::User { user, .. } => Some(*user),
            Caller::Process { .. } => None,
            Caller::Adversary { .. } | Caller::Malice { .. } => return,
        };
        let now = self.clock.now();
        self.malice.overhear(user, to, now, request);
        if let Some(adversary) = &mut self.adversary {
            adversary.overhear(user, to, now, request);
        }
    }

    /// Lets attackers read an answer to a user.
    pub(super) fn overhear_answer(&mut self, request: &[u8], answer: &[u8]) {
        self.malice.overhear_answer(request, answer);
        if let Some(adversary) = &mut self.adversary {
            adversary.overhear_answer(request, answer);
        }
    }

    pub(super) fn attempt(&mut self) {
        let now = self.clock.now();
        let Some(adversary) = &mut self.adversary else { return };
        let Some(attempt) = adversary.attempt(now) else { return };
        let id = adversary.begin(attempt.clone());
        if let Expected::Undelivered(intrusion) = &attempt.expected {
            self.oracles.refused.intrusion(intrusion, self.trace.current());
            let name = format!("the group that attempt {} makes up", id.number());
            self.names.learn(&intrusion.group, &name);
        }
        let domain = self.servers[attempt.victim].domain.clone();
        self.trace.note(format!("attempt {}: {} at {domain}", id.number(), attempt.name));
        self.call(Caller::Adversary { attempt: id }, &domain, attempt.request);
    }

    pub(super) fn judge_attempt(
        &mut self,
        id: AttemptId,
        answer: Result<Vec<u8>, PeerFailure>,
    ) -> Result<(), Violation> {
        let Some(attempt) = self.adversary.as_mut().and_then(|adversary| adversary.end(id)) else {
            return Ok(());
        };
        let verdict = match answer {
            Err(_) => "no answer",
            Ok(answer) => self.verdict(&attempt, &answer)?,
        };
        *self.report.attempts.entry(format!("{}: {verdict}", attempt.name)).or_default() += 1;
        Ok(())
    }

    fn verdict(&mut self, attempt: &Attempt, answer: &[u8]) -> Result<&'static str, Violation> {
        let name = attempt.name;
        let expected = attempt.expected.describe();
        let victim = &self.servers[attempt.victim].domain;
        let should = format!("{victim} {expected}.");
        let violation = |what: String| Err(Violation::now("refused", what, should.clone()));
        let Ok(ResponseEnvelope { outcome, .. }) = decode::<ResponseEnvelope>(answer) else {
            return violation(format!("{name}: the answer cannot be decoded"));
        };
        match (&attempt.expected, outcome) {
            (_, ResponseOutcome::Refused(refusal))
                if NO_VERDICT.contains(&refusal.code())
                    || (self.plan.sets_server_clocks()
                        && [MISDATED.as_slice(), &INVALID].concat().contains(&refusal.code())) =>
            {
                Ok("no verdict")
            }
            (Expected::Refused(codes), ResponseOutcome::Refused(refusal))
                if codes.contains(&refusal.code()) =>
            {
                Ok("refused")
            }
            (Expected::NoEffect, _) => Ok("repeated"),
            (Expected::Undelivered(intrusion), ResponseOutcome::Reply(_)) => {
                self.oracles.refused.arrived(&intrusion.group);
                Ok("not delivered")
            }
            (_, ResponseOutcome::Refused(refusal)) => {
                violation(format!("{name} was refused with: {refusal}"))
            }
            (Expected::Refused(_), ResponseOutcome::Reply(_)) => violation(format!("{name} was accepted")),
        }
    }
}
