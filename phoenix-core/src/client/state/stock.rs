//! PROTOCOL.md §11.6 — taking tokens from the stock, and adding them.

use super::{root::State, tokens::StockedToken};
use crate::{crypto::tokens::Token, identifiers::Domain, time::Timestamp};

impl State {
    /// Takes a token whose key is still in force.
    pub fn take_token(&mut self, domain: &Domain) -> Option<Token> {
        let now = self.now;
        self.tokens.retain(|(of, _), stocked| of != domain || now <= stocked.not_after);
        let key = self.tokens.range(stock_of(domain)).next().map(|(key, _)| key.clone())?;
        self.tokens.remove(&key).map(|stocked| stocked.token)
    }

    pub fn add_tokens(&mut self, domain: &Domain, tokens: Vec<Token>, not_after: Timestamp) {
        for token in tokens {
            self.tokens.insert((domain.clone(), token.nonce), StockedToken { token, not_after });
        }
    }

    pub fn token_count(&self, domain: &Domain) -> usize {
        self.tokens.range(stock_of(domain)).count()
    }

    /// Drops all tokens of a homeserver: it does not take them any more.
    pub fn forget_tokens(&mut self, domain: &Domain) {
        self.tokens.retain(|(of, _), _| of != domain);
    }
}

fn stock_of(domain: &Domain) -> std::ops::RangeInclusive<(Domain, [u8; 32])> {
    (domain.clone(), [0; 32])..=(domain.clone(), [0xff; 32])
}
