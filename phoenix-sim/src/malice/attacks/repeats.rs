//! Known request ids: a request under one is another request, unless it is the very same bytes (PROTOCOL.md
//! §2.5).

use phoenix_core::{
    codec::List,
    crypto::tokens::{TokenRequest, TokenScope},
    identifiers::{RequestId, UserId},
    time::Timestamp,
    wire::{
        auth_service::{GetConnectionPackage, IssueTokens},
        operations::{OperationKind, Request},
    },
};

use crate::malice::{
    attempt::{Attempt, Expected},
    forging::with_body,
    knowledge::{Heard, Lender, Malice},
};

/// How many tokens attackers ask for at a time: little of what a client is allowed.
const BATCH: usize = 8;

impl Malice {
    /// A question for a connection package that was answered, and a user of the same homeserver whom it was not
    /// for.
    fn answered_question(&mut self, now: Timestamp) -> Option<(Heard, UserId)> {
        let kind = OperationKind::GetConnectionPackage;
        let served = |heard: &Heard| heard.served == Some(true) && heard.is_recent(now);
        let heard = self.heard_of(kind, served)?;
        let Request::GetConnectionPackage(asked) = &heard.request else { return None };
        let other = |other: &Heard| match &other.request {
            Request::GetConnectionPackage(body) => {
                body.user_id.domain == asked.user_id.domain && body.user_id != asked.user_id
            }
            _ => false,
        };
        let other = self.heard_of(kind, |heard| served(heard) && other(heard))?;
        let Request::GetConnectionPackage(other) = other.request else { return None };
        Some((heard, other.user_id))
    }

    /// A known id, the token spent with it, and another question: not answered with what was remembered.
    pub(super) fn known_id_and_token(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let (heard, user_id) = self.answered_question(now)?;
        let envelope = with_body(heard.envelope, &GetConnectionPackage { user_id })?;
        let (name, expected) = ("known id and token", Expected::Refused(&[303]));
        Some(Attempt::new(name, lender.user, heard.to, &envelope, expected))
    }

    /// A known id, a token of one's own and another question: answered, as one that was never asked.
    pub(super) fn known_id(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let (heard, user_id) = self.answered_question(now)?;
        let token = self.token(lender, heard.to)?;
        let mut envelope = with_body(heard.envelope, &GetConnectionPackage { user_id: user_id.clone() })?;
        (envelope.token, envelope.timestamp) = (Some(token), now);
        let expected = Expected::PackageOf(user_id);
        Some(Attempt::new("known id", lender.user, heard.to, &envelope, expected))
    }

    /// Asks a homeserver for tokens in the lender's name, as anyone may with the lender's key, and if possible
    /// under a known id: the tokens must be those that were asked for.
    pub(super) fn tokens_of(&mut self, lender: &Lender, to: usize, now: Timestamp) -> Option<Attempt> {
        let domain = self.domains[to].clone();
        let scope = if domain == lender.domain { TokenScope::Local } else { TokenScope::Federated };
        let keys = self.token_keys.get(&domain)?;
        let key = *keys.iter().find(|key| key.scope == scope && key.validity.contains(now))?;
        let (pending, blinded) = TokenRequest::blind(&mut self.random, key, BATCH).ok()?;
        let credential = lender.keys.credential.clone();
        let body = IssueTokens { key_id: key.id, blinded: List::new(blinded).ok()?, credential };
        let mut envelope = self.request(to, now, &body)?;
        if let Some(known) = self.known_token_request(lender, to) {
            envelope.request_id = known;
        }
        let proved = lender.prove(envelope)?;
        let expected = Expected::Tokens(pending);
        Some(Attempt::new("asks for tokens", lender.user, to, &proved.envelope, expected))
    }

    fn known_token_request(&mut self, lender: &Lender, to: usize) -> Option<RequestId> {
        let own = |heard: &Heard| heard.is_of(lender) && heard.to == to;
        Some(self.heard_of(OperationKind::IssueTokens, own)?.envelope.request_id)
    }
}
