//! PROTOCOL.md §1, Services — the homeserver: settings and keys, from which inputs become operations.

mod opened_configs;

pub(crate) use opened_configs::{MAX_UNVERIFIED, MAX_VERIFIED, Opened, OpenedConfigs};

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{
    config::Config,
    credentials::AsCredentialSet,
    crypto::{hash_memo::HashMemo, sign::Signature},
    identifiers::Domain,
    keys::{NoValidKey, ServiceKeys, TokenKeys},
    time::Timestamp,
};

/// A homeserver: authentication, queuing and delivery service of one domain.
///
/// It is cheap to clone and to share between threads, and holds no protocol state: what is known of users,
/// queues and groups is in the store, and passes through an [`Operation`](crate::operation::Operation). What
/// it does keep are caches of pure computations, bounded, which change no result.
///
/// [`accept`](Self::accept) is the way in for all that happens.
///
/// ```
/// use phoenix_core::{
///     config::Config, dispatch::Input, homeserver::Homeserver, keys::ServiceKeys, operation::Step,
///     rng::Random, time::Timestamp,
/// };
///
/// let now = Timestamp::from_milliseconds(1_800_000_000_000);
/// let domain: phoenix_core::identifiers::Domain = "example.com".parse().unwrap();
/// let keys = ServiceKeys::generate(&domain, &mut Random::from_seed([1; 32]), now);
/// let homeserver = Homeserver::new(Config::new(domain), keys);
///
/// // Bytes that are no request are answered at once, with the reason.
/// let mut operation = homeserver.accept(Input::Request(b"\0\0"), now, [2; 32]);
/// let Step::Done(outcome) = operation.poll() else { panic!("nothing to read") };
/// assert!(outcome.reply.is_some());
/// ```
#[derive(Clone)]
pub struct Homeserver(Arc<Inner>);

struct Inner {
    config: Config,
    keys: ServiceKeys,
    hash_memo: Arc<HashMemo>,
    opened_configs: Mutex<OpenedConfigs>,
    token_keys: Mutex<Option<Arc<TokenKeys>>>,
    as_credentials: Mutex<Option<Arc<AsCredentialSet>>>,
    /// What a planted bug trusts.
    #[cfg(feature = "plant")]
    signatures: Mutex<std::collections::BTreeSet<[u8; 64]>>,
}

/// The most hashes in the memo, of some 100 bytes each: those of two trees of 5000 members.
const HASH_MEMO_ENTRIES: usize = 65_536;

impl Homeserver {
    /// Returns a homeserver with these settings and keys. `keys` are those of the settings' domain.
    pub fn new(config: Config, keys: ServiceKeys) -> Self {
        let hash_memo = Arc::new(HashMemo::new(*keys.cache_seed, HASH_MEMO_ENTRIES));
        Self(Arc::new(Inner {
            config,
            keys,
            hash_memo,
            opened_configs: Mutex::default(),
            token_keys: Mutex::default(),
            as_credentials: Mutex::default(),
            #[cfg(feature = "plant")]
            signatures: Mutex::default(),
        }))
    }

    /// Returns the settings.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Returns the keys.
    pub fn keys(&self) -> &ServiceKeys {
        &self.0.keys
    }

    /// Returns the domain that the homeserver owns.
    pub fn domain(&self) -> &Domain {
        &self.0.config.domain
    }

    /// Whether a signature was verified before: only a planted bug asks. Notes one that is `valid`.
    pub(crate) fn knows_signature(&self, signature: &Signature, valid: bool) -> bool {
        #[cfg(feature = "plant")]
        {
            let mut known = self.0.signatures.lock().unwrap_or_else(PoisonError::into_inner);
            if valid { !known.insert(signature.0) } else { known.contains(&signature.0) }
        }
        #[cfg(not(feature = "plant"))]
        {
            let _ = (signature, valid);
            false
        }
    }

    /// Returns the memo of hashes, which makes the validation of commits in large groups fast.
    pub(crate) fn hash_memo(&self) -> Arc<HashMemo> {
        Arc::clone(&self.0.hash_memo)
    }

    /// Calls `use_cache` with the cache of opened queue configurations, which is locked meanwhile.
    pub(crate) fn with_opened_configs<T>(&self, use_cache: impl FnOnce(&mut OpenedConfigs) -> T) -> T {
        use_cache(&mut self.0.opened_configs.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the credentials of the authentication service, as they are published at `now`. They are made
    /// once an hour, as of its start, since a list of revocations can be long and any caller can ask
    /// (PROTOCOL.md §6, Published credentials).
    ///
    /// # Errors
    /// [`NoValidKey`] if no intermediate is valid to sign them.
    pub(crate) fn as_credentials(&self, now: Timestamp) -> Result<Arc<AsCredentialSet>, NoValidKey> {
        let start = now - Duration::from_millis(now.milliseconds() % 3_600_000);
        let mut cached = self.0.as_credentials.lock().unwrap_or_else(PoisonError::into_inner);
        let valid = self.config().times.key_set;
        let made = |at| self.keys().as_credential_set(self.domain(), at, valid).map(Arc::new);
        if cached.as_ref().is_none_or(|set| set.content.issued_at != start) {
            *cached = made(start).ok();
        }
        // In the hour in which a signer begins or ends, the set of the hour's start may be another signer's.
        match cached.clone().filter(|set| set.content.valid_until > now) {
            Some(set) => Ok(set),
            None => made(now),
        }
    }

    /// Returns the token keys that are in force at `now`. They are derived once per period.
    pub(crate) fn token_keys(&self, now: Timestamp) -> Arc<TokenKeys> {
        let mut cached = self.0.token_keys.lock().unwrap_or_else(PoisonError::into_inner);
        match &*cached {
            Some(keys) if keys.in_force(now) => Arc::clone(keys),
            _ => {
                let keys = Arc::new(TokenKeys::derive(self.keys(), self.config().times.token_key, now));
                *cached = Some(Arc::clone(&keys));
                keys
            }
        }
    }
}
