//! PROTOCOL.md §11.6 — tokens: fetched in batches, each used in one request.

use super::{
    exchange::{Body, Patience},
    pass::{Interrupt, Pass},
    state::Want,
};
use crate::{
    client::ClientError,
    crypto::tokens::{TokenPublicKey, TokenRequest, TokenScope},
    error::Refusal,
    identifiers::Domain,
    wire::auth_service::{GetTokenKeys, IssueTokens},
};

/// Fetches batches until at least `count` tokens are in stock.
pub(super) fn stock(pass: &mut Pass<'_>, domain: &Domain, count: u64) -> Result<(), Interrupt> {
    if pass.state().token_count(domain) as u64 >= count {
        return Ok(());
    }
    Err(pass.after(&Want::FetchTokens { domain: domain.clone() }))
}

/// How often a batch is begun anew because the token key has retired: it does once a week.
const MAX_KEYS: u32 = 3;

/// Fetches one batch.
pub(super) fn fetch(pass: &mut Pass<'_>, domain: &Domain) -> Result<(), Interrupt> {
    let place = pass.place();
    let published = pass.call(domain, Patience::Window, |_, _| Ok(Body::unsigned(GetTokenKeys {})))?;
    let (request, blinded) = pass.once("blinded tokens", |state| {
        let local = *domain == state.config.domain;
        let scope = if local { TokenScope::Local } else { TokenScope::Federated };
        let key = issuing(&published.keys, scope).ok_or(Refusal::UnknownTokenKey)?;
        let (request, blinded) = TokenRequest::blind(&mut state.random, key, state.config.tokens_per_batch)?;
        Ok((request, crate::codec::List::new(blinded)?))
    })?;
    let reply = pass.ask(domain, Patience::Window, |state, _| {
        let key_id = request.key().id;
        let body = IssueTokens { key_id, blinded, credential: state.credential()?.clone() };
        Ok(Body::signed(body, state.client_identity()?))
    })?;
    let reply = match reply {
        Ok(reply) => reply,
        // The key has retired meanwhile.
        Err(Refusal::UnknownTokenKey) if pass.rounds() < MAX_KEYS => return Err(pass.again_from(place)),
        Err(refusal) => return Err(ClientError::from(refusal).into()),
    };
    pass.once("tokens", |state| {
        let not_after = request.key().validity.not_after;
        let tokens = request.finish(&reply.response)?;
        state.add_tokens(domain, tokens, not_after);
        Ok(())
    })
}

/// Returns the key that issues tokens of a scope. Which ones do, the homeserver says by its own clock; the device's
/// may be a little behind, and then the key would not seem to be valid yet.
fn issuing(keys: &[TokenPublicKey], scope: TokenScope) -> Option<TokenPublicKey> {
    keys.iter().filter(|key| key.scope == scope).max_by_key(|key| key.validity.not_before).copied()
}
