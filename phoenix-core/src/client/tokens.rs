//! PROTOCOL.md §11.6 — tokens: fetched in batches, each used in one request.

use std::{future::Future, pin::Pin};

use super::{error::ClientError, shared::Shared, state::LockName};
use crate::{
    crypto::tokens::{Token, TokenPublicKey, TokenRequest, TokenScope},
    error::Refusal,
    identifiers::Domain,
    time::Timestamp,
    wire::auth_service::{GetTokenKeys, IssueTokens},
};

impl Shared {
    /// Returns a token of `domain`, from stock or fetched. Boxed, because fetching tokens is itself a
    /// request.
    pub fn take_token<'a>(
        &'a self,
        domain: &'a Domain,
    ) -> Pin<Box<dyn Future<Output = Result<Token, ClientError>> + Send + 'a>> {
        Box::pin(async move {
            let _lock = self.lock(LockName::Tokens(domain.clone())).await;
            if let Some(token) = self.with(|state| state.tokens.take(domain, state.now)) {
                return Ok(token);
            }
            self.refill(domain).await?;
            let token = self.with(|state| state.tokens.take(domain, state.now));
            token.ok_or(ClientError::Refused(Refusal::TokenNeeded))
        })
    }

    /// Fetches batches until at least `count` tokens are in stock.
    pub async fn stock_tokens(&self, domain: &Domain, count: usize) -> Result<(), ClientError> {
        let _lock = self.lock(LockName::Tokens(domain.clone())).await;
        while self.with(|state| state.tokens.count(domain)) < count {
            self.refill(domain).await?;
        }
        Ok(())
    }

    async fn refill(&self, domain: &Domain) -> Result<(), ClientError> {
        let published = self.call(domain, &GetTokenKeys {}, None).await?;
        let (request, body, identity) = self.with(|state| {
            let local = *domain == state.config.domain;
            let scope = if local { TokenScope::Local } else { TokenScope::Federated };
            let key = newest(&published.keys, scope, state.now).ok_or(Refusal::UnknownTokenKey)?;
            let count = state.config.tokens_per_batch;
            let (request, blinded) = TokenRequest::blind(&mut state.random, key, count)?;
            let blinded = blinded.try_into()?;
            let body = IssueTokens { key_id: key.id, blinded, credential: state.credential()?.clone() };
            Ok::<_, ClientError>((request, body, state.client_identity()?))
        })?;
        let reply = self.call(domain, &body, Some(&identity)).await?;
        let not_after = request.key().validity.not_after;
        let tokens = request.finish(&reply.response)?;
        self.with(|state| state.tokens.add(domain, tokens, not_after));
        Ok(())
    }
}

fn newest(keys: &[TokenPublicKey], scope: TokenScope, now: Timestamp) -> Option<TokenPublicKey> {
    let valid = keys.iter().filter(|key| key.scope == scope && key.validity.contains(now));
    valid.max_by_key(|key| key.validity.not_before).copied()
}
