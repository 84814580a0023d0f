//! PROTOCOL.md §6, Tokens — the token keys in force: derived from one seed, one for each scope and period.
//!
//! Periods are counted from the Unix epoch, so that all nodes of a homeserver arrive at the same keys without
//! being told. A key issues tokens for one period; its tokens are redeemed until the end of the next one.

use std::time::Duration;

use super::service_keys::ServiceKeys;
use crate::{
    crypto::tokens::{TokenIssuerKey, TokenKeyId, TokenPublicKey, TokenScope},
    time::{ExpirationData, Timestamp},
};

/// The token keys in force: this period's, which issue, and the last one's, which are still redeemed.
pub(crate) struct TokenKeys {
    periods: Periods,
    current: u64,
    keys: Vec<TokenKey>,
}

/// A token key of one scope and period.
pub(crate) struct TokenKey {
    issuer: TokenIssuerKey,
    period: u64,
    validity: ExpirationData,
}

impl TokenKeys {
    /// Derives the keys in force at `now`, each of which issues for `period`, in whole seconds.
    pub(crate) fn derive(keys: &ServiceKeys, period: Duration, now: Timestamp) -> Self {
        let periods = Periods { seconds: period.as_secs().max(1) };
        let current = periods.at(now);
        let derived = [current, current.saturating_sub(1)].into_iter().flat_map(|period| {
            [TokenScope::Local, TokenScope::Federated].into_iter().filter_map(move |scope| {
                let issuer = TokenIssuerKey::derive(&keys.token_seed, scope, period).ok()?;
                Some(TokenKey { issuer, period, validity: periods.validity(period) })
            })
        });
        Self { periods, current, keys: derived.collect() }
    }

    /// Whether these are the keys in force at `now`.
    pub(crate) fn in_force(&self, now: Timestamp) -> bool {
        self.current == self.periods.at(now)
    }

    /// The key with this id, if its tokens are redeemed.
    pub(crate) fn find(&self, id: &TokenKeyId) -> Option<&TokenKey> {
        self.keys.iter().find(|key| key.issuer.id() == *id)
    }

    /// The key with this id, if it issues tokens.
    pub(crate) fn find_issuing(&self, id: &TokenKeyId) -> Option<&TokenKey> {
        self.find(id).filter(|key| key.period == self.current)
    }

    /// The keys that issue tokens, one for each scope.
    pub(crate) fn issuing(&self) -> impl Iterator<Item = &TokenKey> {
        self.keys.iter().filter(|key| key.period == self.current)
    }
}

impl TokenKey {
    /// The key itself.
    pub(crate) fn issuer(&self) -> &TokenIssuerKey {
        &self.issuer
    }

    /// When its tokens are redeemed: from its period's start until the end of the next one.
    pub(crate) fn validity(&self) -> ExpirationData {
        self.validity
    }

    /// The public half, as it is published.
    pub(crate) fn public_key(&self) -> TokenPublicKey {
        self.issuer.public_key(self.validity)
    }
}

/// Stretches of time of one length, numbered from the Unix epoch.
#[derive(Clone, Copy)]
struct Periods {
    seconds: u64,
}

impl Periods {
    fn at(self, now: Timestamp) -> u64 {
        now.seconds() / self.seconds
    }

    fn start(self, period: u64) -> Timestamp {
        Timestamp::from_milliseconds(period.saturating_mul(self.seconds).saturating_mul(1000))
    }

    fn validity(self, period: u64) -> ExpirationData {
        ExpirationData { not_before: self.start(period), not_after: self.start(period.saturating_add(2)) }
    }
}
