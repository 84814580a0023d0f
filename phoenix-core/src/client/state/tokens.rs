//! PROTOCOL.md §11.6 — the stock of tokens, for each homeserver.

use std::collections::BTreeMap;

use crate::{crypto::tokens::Token, identifiers::Domain, time::Timestamp};

/// A token, and until when its key is in force.
struct StockedToken {
    token: Token,
    not_after: Timestamp,
}

/// The unused tokens of each homeserver.
#[derive(Default)]
pub(crate) struct TokenStock {
    tokens: BTreeMap<Domain, Vec<StockedToken>>,
}

impl TokenStock {
    /// Takes a token whose key is still in force.
    pub fn take(&mut self, domain: &Domain, now: Timestamp) -> Option<Token> {
        let stock = self.tokens.get_mut(domain)?;
        stock.retain(|stocked| now <= stocked.not_after);
        stock.pop().map(|stocked| stocked.token)
    }

    pub fn add(&mut self, domain: &Domain, tokens: Vec<Token>, not_after: Timestamp) {
        let stock = self.tokens.entry(domain.clone()).or_default();
        stock.extend(tokens.into_iter().map(|token| StockedToken { token, not_after }));
    }

    pub fn count(&self, domain: &Domain) -> usize {
        self.tokens.get(domain).map_or(0, Vec::len)
    }

    /// Drops all tokens of a homeserver: it does not take them any more.
    pub fn forget(&mut self, domain: &Domain) {
        self.tokens.remove(domain);
    }
}
