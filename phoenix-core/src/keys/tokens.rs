//! PROTOCOL.md §6, Tokens — the keys that tokens are issued and redeemed under, derived for each period.

use crate::{
    config::Config,
    crypto::tokens::{TokenIssuerKey, TokenKeyId, TokenScope},
    keys::ServiceKeys,
    time::{ExpirationData, Timestamp},
};

/// The issuer keys in force: this period's, which issue, and the last one's, which are still redeemed.
pub(crate) struct TokenKeys {
    /// The present period.
    pub(crate) period: u64,
    keys: Vec<(TokenIssuerKey, u64)>,
}

impl TokenKeys {
    /// Derives the keys in force at `now`.
    pub(crate) fn derive(keys: &ServiceKeys, config: &Config, now: Timestamp) -> Self {
        let period = period(config, now);
        let periods = [period, period.saturating_sub(1)];
        let derived = periods.into_iter().flat_map(|period| {
            [TokenScope::Local, TokenScope::Federated].into_iter().filter_map(move |scope| {
                Some((TokenIssuerKey::derive(&keys.token_seed, scope, period).ok()?, period))
            })
        });
        Self { period, keys: derived.collect() }
    }

    /// Whether these are the keys for `now`.
    pub(crate) fn in_force(&self, config: &Config, now: Timestamp) -> bool {
        self.period == period(config, now)
    }

    pub(crate) fn find(&self, id: &TokenKeyId) -> Option<(&TokenIssuerKey, u64)> {
        self.keys.iter().find(|(key, _)| key.id() == *id).map(|(key, period)| (key, *period))
    }

    pub(crate) fn issuing(&self) -> impl Iterator<Item = (&TokenIssuerKey, u64)> {
        self.keys.iter().filter(|(_, period)| *period == self.period).map(|(key, period)| (key, *period))
    }
}

/// Periods count from the epoch, so that nodes agree without being told.
fn period(config: &Config, now: Timestamp) -> u64 {
    now.seconds() / config.times.token_key.as_secs().max(1)
}

/// From its period's start until the end of the next one, a key's tokens are redeemed.
pub(crate) fn validity(config: &Config, period: u64) -> ExpirationData {
    let start = |period: u64| {
        let seconds = period.saturating_mul(config.times.token_key.as_secs().max(1));
        Timestamp::from_milliseconds(seconds.saturating_mul(1000))
    };
    ExpirationData { not_before: start(period), not_after: start(period.saturating_add(2)) }
}
