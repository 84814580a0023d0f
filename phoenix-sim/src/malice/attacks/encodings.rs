//! Bytes that are no request (PROTOCOL.md §2.3), and frames that clients make (§9.4).

use phoenix_core::{
    codec::Bytes,
    identifiers::RequestId,
    time::Timestamp,
    wire::{
        auth_service::{GetAsCredentials, GetTokenKeys},
        delivery_service::GetDsKeys,
        envelope::RequestEnvelope,
        federation::EnqueueFederated,
        operations::{OperationKind, RequestBody},
        queuing_service::{GetConfigKey, GetQsKeys},
    },
};

use crate::malice::{
    attempt::{Attempt, Expected},
    knowledge::{Lender, Malice},
};

/// The questions that are open to everyone.
const QUESTIONS: [OperationKind; 5] =
    [GetAsCredentials::KIND, GetTokenKeys::KIND, GetConfigKey::KIND, GetQsKeys::KIND, GetDsKeys::KIND];

impl Malice {
    /// A question that is open to everyone, from no one.
    fn open_question(&mut self, now: Timestamp) -> Option<(usize, RequestEnvelope)> {
        let honest = self.domains.len() - 1;
        let to = self.pick(honest)?;
        let operation = QUESTIONS[self.pick(QUESTIONS.len())?].code();
        let envelope = self.request(to, now, &GetQsKeys {})?;
        Some((to, RequestEnvelope { operation, ..envelope }))
    }

    /// A question with a byte left over in its body.
    pub(super) fn left_over(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let (to, envelope) = self.open_question(now)?;
        let body = Bytes::new(vec![0]).ok()?;
        let expected = Expected::Refused(&[102]);
        let envelope = RequestEnvelope { body, ..envelope };
        Some(Attempt::new("byte left over", lender.user, to, &envelope, expected))
    }

    /// A request of any kind that ends early.
    pub(super) fn cut_short(&mut self, lender: &Lender, _: Timestamp) -> Option<Attempt> {
        let heard = self.heard(|_| true)?;
        let expected = Expected::Refused(&[102]);
        let mut attempt = Attempt::new("cut short", lender.user, heard.to, &heard.envelope, expected);
        let end = 4 + self.random.below(attempt.request.len() as u64 - 4) as usize;
        attempt.request.truncate(end);
        Some(attempt)
    }

    /// A question to another homeserver than the one that it reaches.
    pub(super) fn question_for_another(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let (to, envelope) = self.open_question(now)?;
        let victim = self.another(to)?;
        let expected = Expected::Refused(&[104]);
        Some(Attempt::new("question for another homeserver", lender.user, victim, &envelope, expected))
    }

    /// An operation or a version that does not exist.
    pub(super) fn unknown(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let (to, envelope) = self.open_question(now)?;
        if self.random.below(2) == 0 {
            let envelope = RequestEnvelope { operation: 999, ..envelope };
            let expected = Expected::Refused(&[101]);
            return Some(Attempt::new("unknown operation", lender.user, to, &envelope, expected));
        }
        let envelope = RequestEnvelope { version: 2, ..envelope };
        Some(Attempt::new("unknown version", lender.user, to, &envelope, Expected::Refused(&[100])))
    }

    /// A frame that was overheard, of now, signed with a client's key.
    pub(super) fn frame_of_a_client(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let index = self.pick(self.frames.len())?;
        let mut frame = self.frames[index].clone();
        let to = self.index(&frame.content.destination)?;
        frame.content.timestamp = now;
        frame.signature = lender.keys.client_key.sign(&frame.content);
        let id = RequestId::random(&mut self.random);
        let body = EnqueueFederated { frame };
        let envelope = RequestEnvelope::to(self.domains[to].clone(), now, id, &body).unsigned().ok()?;
        Some(Attempt::new("frame of a client", lender.user, to, &envelope, Expected::Refused(&[704])))
    }
}
