//! PROTOCOL.md §11.6 — tokens: fetched in batches, each used in one request.

use super::{
    exchange::{Body, Patience},
    pass::{Interrupt, Pass},
    state::Want,
};
use crate::{
    crypto::tokens::{TokenPublicKey, TokenRequest, TokenScope},
    error::Refusal,
    identifiers::Domain,
    time::Timestamp,
    wire::auth_service::{GetTokenKeys, IssueTokens},
};

/// Fetches batches until at least `count` tokens are in stock.
pub(super) fn stock(pass: &mut Pass<'_>, domain: &Domain, count: u64) -> Result<(), Interrupt> {
    if pass.state().token_count(domain) as u64 >= count {
        return Ok(());
    }
    Err(pass.after(&Want::FetchTokens { domain: domain.clone() }))
}

/// Fetches one batch.
pub(super) fn fetch(pass: &mut Pass<'_>, domain: &Domain) -> Result<(), Interrupt> {
    let published = pass.call(domain, Patience::Window, |_, _| Ok(Body::unsigned(GetTokenKeys {})))?;
    let (request, blinded) = pass.once("blinded tokens", |state| {
        let local = *domain == state.config.domain;
        let scope = if local { TokenScope::Local } else { TokenScope::Federated };
        let key = newest(&published.keys, scope, state.now).ok_or(Refusal::UnknownTokenKey)?;
        let (request, blinded) = TokenRequest::blind(&mut state.random, key, state.config.tokens_per_batch)?;
        Ok((request, crate::codec::List::new(blinded)?))
    })?;
    let reply = pass.call(domain, Patience::Window, |state, _| {
        let key_id = request.key().id;
        let body = IssueTokens { key_id, blinded, credential: state.credential()?.clone() };
        Ok(Body::signed(body, state.client_identity()?))
    })?;
    pass.once("tokens", |state| {
        let not_after = request.key().validity.not_after;
        let tokens = request.finish(&reply.response)?;
        state.add_tokens(domain, tokens, not_after);
        Ok(())
    })
}

fn newest(keys: &[TokenPublicKey], scope: TokenScope, now: Timestamp) -> Option<TokenPublicKey> {
    let valid = keys.iter().filter(|key| key.scope == scope && key.validity.contains(now));
    valid.max_by_key(|key| key.validity.not_before).copied()
}
