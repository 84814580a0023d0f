//! The dishonest homeserver's attempts, and what they come to.

use phoenix_core::{
    codec::decode,
    error::PeerFailure,
    wire::envelope::{ResponseEnvelope, ResponseOutcome},
};

use super::{World, calls::Caller};
use crate::{
    adversary::{Attempt, AttemptId, Expected},
    oracle::Violation,
};

/// Too much at once, a homeserver out of reach, a store in trouble: these say nothing about the attempt.
const NO_VERDICT: [u16; 3] = [304, 708, 900];

impl World {
    /// Everything that is sent passes by the dishonest homeserver.
    pub(super) fn overhear(&mut self, caller: &Caller, to: usize, request: &[u8]) {
        let user = match caller {
            Caller::User(user, _) => Some(*user),
            Caller::Node(..) => None,
            // It knows its own.
            Caller::Adversary(_) => return,
        };
        let now = self.clock.now();
        if let Some(adversary) = &mut self.adversary {
            adversary.overhear(user, to, now, request);
        }
    }

    pub(super) fn attempt(&mut self) -> Result<(), Violation> {
        let now = self.clock.now();
        let Some(adversary) = &mut self.adversary else { return Ok(()) };
        let Some(attempt) = adversary.attempt(now) else { return Ok(()) };
        let id = adversary.begin(attempt.clone());
        if let Expected::Undelivered(intrusion) = &attempt.expected {
            self.oracles.refused.intrusion(intrusion, self.trace.current());
        }
        let domain = self.servers[attempt.victim].domain.clone();
        self.trace.note(format!("{} at {domain}", attempt.name));
        self.call(Caller::Adversary(id), &domain, attempt.request);
        Ok(())
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
            Err(PeerFailure) => "no answer",
            Ok(answer) => self.verdict(&attempt, &answer)?,
        };
        *self.report.attempts.entry(format!("{}: {verdict}", attempt.name)).or_default() += 1;
        Ok(())
    }

    fn verdict(&mut self, attempt: &Attempt, answer: &[u8]) -> Result<&'static str, Violation> {
        let name = attempt.name;
        let violation = |what: String| Err(Violation::now("refused", what));
        let Ok(ResponseEnvelope { outcome, .. }) = decode::<ResponseEnvelope>(answer) else {
            return violation(format!("{name}: the answer cannot be read"));
        };
        match (&attempt.expected, outcome) {
            (_, ResponseOutcome::Refused(refusal)) if NO_VERDICT.contains(&refusal.code()) => {
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
