//! Requests in one's own name or another's whose signature is not the sender's.

use phoenix_core::{
    crypto::sign::SigningKey,
    identifiers::QsUserId,
    time::Timestamp,
    wire::{
        envelope::{RequestEnvelope, Sender},
        operations::{AuthenticationMode, OperationKind},
    },
};

use crate::malice::{
    attempt::{Attempt, Expected},
    forging::sign,
    knowledge::{Heard, Lender, Malice},
};

/// Returns what a request is refused with that is not signed as it must be: in most operations with
/// `Unauthenticated` (PROTOCOL.md §2.3). Some look first for what the signature is checked against (§6.3, §8.3,
/// §8.7).
fn unproved(kind: OperationKind) -> &'static [u16] {
    match kind {
        OperationKind::FinishRegistration => &[200, 402],
        OperationKind::CreateGroup => &[200, 601],
        OperationKind::WelcomeInfo => &[200, 600],
        _ => &[200],
    }
}

/// Returns what the same is refused with at a homeserver that it was not made for: groups are not known there.
fn unproved_elsewhere(kind: OperationKind) -> &'static [u16] {
    match kind.rules().authentication {
        AuthenticationMode::PendingCredential => &[402],
        AuthenticationMode::Leaf if kind == OperationKind::CreateGroup => &[601],
        AuthenticationMode::Leaf | AuthenticationMode::LeafOrGroupKey | AuthenticationMode::KeyPackage => {
            &[600]
        }
        _ => &[200],
    }
}

impl Malice {
    fn signed(&mut self, now: Timestamp, wanted: impl Fn(&Heard) -> bool) -> Option<(Heard, Sender)> {
        let heard = self.heard(|heard| heard.is_signed() && heard.is_recent(now) && wanted(heard))?;
        let sender = heard.envelope.authentication.as_ref()?.sender.clone();
        Some((heard, sender))
    }

    fn unproved(name: &'static str, lender: &Lender, heard: &Heard, envelope: &RequestEnvelope) -> Attempt {
        Attempt::new(name, lender.user, heard.to, envelope, Expected::Refused(unproved(heard.kind)))
    }

    /// The lender's own request, signed with a key that is no one's.
    pub(super) fn wrong_key(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let (heard, sender) = self.signed(now, |heard| heard.is_of(lender))?;
        let key = SigningKey::generate(&mut self.random);
        let mut envelope = self.anew(&heard.envelope, now);
        sign(&mut envelope, (sender, &key));
        Some(Self::unproved("wrong key", lender, &heard, &envelope))
    }

    /// Another's request, signed with a key of the lender; in half of the cases under the other's request id.
    pub(super) fn anothers_name(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let (heard, sender) = self.signed(now, |heard| !heard.is_of(lender))?;
        let mut envelope = self.anew(&heard.envelope, now);
        if self.random.below(2) == 0 {
            envelope.request_id = heard.envelope.request_id;
        }
        let key = lender.key_for(&sender);
        sign(&mut envelope, (sender, key));
        Some(Self::unproved("another's name", lender, &heard, &envelope))
    }

    /// A request without signature.
    pub(super) fn no_signature(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let (heard, _) = self.signed(now, |_| true)?;
        let envelope = self.anew(&heard.envelope, now);
        Some(Self::unproved("no signature", lender, &heard, &envelope))
    }

    /// The lender's own request, signed in the name of a kind of sender that the operation does not take.
    pub(super) fn another_kind_of_sender(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let (heard, sender) = self.signed(now, |heard| heard.is_of(lender))?;
        let mut envelope = self.anew(&heard.envelope, now);
        let other = Sender::QsUser(QsUserId(self.random.array()));
        sign(&mut envelope, (other, lender.key_for(&sender)));
        Some(Self::unproved("another kind of sender", lender, &heard, &envelope))
    }

    /// The signature of one request on the body of another of its kind.
    pub(super) fn signature_on_another_body(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let (heard, _) = self.signed(now, |_| true)?;
        let other = self.heard_of(heard.kind, |other| {
            other.to == heard.to && other.envelope.body != heard.envelope.body
        })?;
        let envelope = RequestEnvelope { body: other.envelope.body, ..heard.envelope.clone() };
        Some(Self::unproved("signature on another body", lender, &heard, &envelope))
    }

    /// The signature of one request on another operation, which takes the same kind of sender.
    pub(super) fn signature_on_another_operation(
        &mut self,
        lender: &Lender,
        now: Timestamp,
    ) -> Option<Attempt> {
        let (heard, _) = self.signed(now, |_| true)?;
        let mode = |kind: OperationKind| kind.rules().authentication;
        let (other, _) = self.signed(now, |other| {
            other.kind != heard.kind && mode(other.kind) == mode(heard.kind) && other.to == heard.to
        })?;
        let (operation, body) = (other.envelope.operation, other.envelope.body.clone());
        let envelope = RequestEnvelope { operation, body, ..heard.envelope };
        Some(Self::unproved("signature on another operation", lender, &other, &envelope))
    }

    /// The signature of one request on the same one for another homeserver.
    pub(super) fn signature_for_another_homeserver(
        &mut self,
        lender: &Lender,
        now: Timestamp,
    ) -> Option<Attempt> {
        let (heard, _) = self.signed(now, |_| true)?;
        let victim = self.another(heard.to)?;
        let envelope =
            RequestEnvelope { service_domain: self.domains[victim].clone(), ..heard.envelope.clone() };
        let expected = Expected::Refused(unproved_elsewhere(heard.kind));
        let name = "signature for another homeserver";
        Some(Attempt::new(name, lender.user, victim, &envelope, expected))
    }
}
