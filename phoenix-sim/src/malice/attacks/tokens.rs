//! Tokens that do not pay (PROTOCOL.md §6.6).
//!
//! To ask for more tokens than allowed is left out: the allowance is the lender's own, so the attack would
//! stop the lender, as the protocol says it may.

use phoenix_core::{
    codec::List,
    crypto::tokens::{BlindedToken, Token, TokenScope},
    time::Timestamp,
    wire::{
        auth_service::{GetConnectionPackage, IssueTokens},
        delivery_service::RequestGroupId,
        operations::{OperationKind, TokenRule},
    },
};

use crate::malice::{
    attempt::{Attempt, Expected},
    knowledge::{Heard, Lender, Malice},
};

impl Malice {
    /// A question that any token pays for, with this one.
    fn question(
        &mut self,
        name: &'static str,
        lender: &Lender,
        (to, now): (usize, Timestamp),
        token: Token,
        codes: &'static [u16],
    ) -> Option<Attempt> {
        let user_id = lender.keys.client_id.user_id.clone();
        let mut envelope = self.request(to, now, &GetConnectionPackage { user_id })?;
        envelope.token = Some(token);
        Some(Attempt::new(name, lender.user, to, &envelope, Expected::Refused(codes)))
    }

    /// A request of the lender, valid but for the token that it lacks.
    pub(super) fn no_token(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let heard = self.heard(|heard| {
            heard.is_of(lender) && heard.is_recent(now) && heard.kind.rules().token != TokenRule::None
        })?;
        let envelope = self.anew(&heard.envelope, now);
        // A group that exists is not created again, paid or not (§8.3).
        let is_creation = heard.kind == OperationKind::CreateGroup;
        let codes: &[u16] = if is_creation { &[601] } else { &[300] };
        Some(lender.prove(envelope)?.attempt("no token", lender, heard.to, codes))
    }

    /// A token that others, or the lender, have spent on something else.
    pub(super) fn spent_token(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let spent = |heard: &Heard| heard.served == Some(true) && heard.envelope.token.is_some();
        let spent = self.heard(|heard| spent(heard) && heard.is_recent(now))?;
        self.question("spent token", lender, (spent.to, now), spent.envelope.token?, &[303])
    }

    /// A token of another homeserver.
    pub(super) fn foreign_token(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let honest = self.domains.len() - 1;
        let from = self.pick(honest)?;
        let to = self.another(from)?;
        let token = self.token(lender, from)?;
        self.question("token of another homeserver", lender, (to, now), token, &[300])
    }

    /// A token that no one has issued.
    pub(super) fn forged_token(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let honest = self.domains.len() - 1;
        let to = self.pick(honest)?;
        let key_id = self.token_keys.get(&self.domains[to])?.first()?.id;
        let token = Token { key_id, nonce: self.random.array(), output: self.random.array() };
        self.question("forged token", lender, (to, now), token, &[301])
    }

    /// A token of the federated scope, for what is only local clients' (§8.3).
    pub(super) fn federated_token(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let to = self.another(self.index(&lender.domain)?)?;
        let token = self.token(lender, to)?;
        let mut envelope = self.request(to, now, &RequestGroupId {})?;
        envelope.token = Some(token);
        let (name, expected) = ("federated token", Expected::Refused(&[302]));
        Some(Attempt::new(name, lender.user, to, &envelope, expected))
    }

    /// Asks for tokens of the scope that is not the lender's.
    pub(super) fn others_scope(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let honest = self.domains.len() - 1;
        let to = self.pick(honest)?;
        let is_local = self.domains[to] == lender.domain;
        let others = if is_local { TokenScope::Federated } else { TokenScope::Local };
        let keys = self.token_keys.get(&self.domains[to])?;
        let key_id = keys.iter().find(|key| key.scope == others)?.id;
        let blinded = List::new(vec![BlindedToken(self.random.array())]).ok()?;
        let body = IssueTokens { key_id, blinded, credential: lender.keys.credential.clone() };
        let envelope = self.request(to, now, &body)?;
        Some(lender.prove(envelope)?.attempt("tokens of another scope", lender, to, &[302]))
    }
}
