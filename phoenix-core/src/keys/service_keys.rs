//! PROTOCOL.md §3, Secrets — the keys of a homeserver: making them, and adding to them so that rotation
//! overlaps.

use std::time::Duration;

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};
use zeroize::Zeroizing;

use crate::{
    codec::Codec,
    credentials::{
        AsCredential, AsIntermediateCredential, MAX_INTERMEDIATES, RevocationList, ValidationError,
    },
    crypto::{aead::EarKey, hpke::HpkePrivateKey, sign::SigningKey},
    identifiers::Domain,
    rng::Random,
    time::{DAY, ExpirationData, Timestamp},
};

/// The keys of a homeserver, private halves included. Zeroized when dropped; nothing here is ever logged or
/// stored in a row.
///
/// Each list has the newest first. Older keys stay until nothing refers to them, so that rotation overlaps.
pub struct ServiceKeys {
    /// Root credentials; their keys are kept offline ([`RootKey`]).
    pub roots: Vec<AsCredential>,
    /// Intermediate credentials with their keys.
    pub intermediates: Vec<IntermediateKey>,
    /// The revocations, which are published with the credentials.
    pub revocations: RevocationList,
    /// The seed that the OPAQUE server's keys are derived from.
    pub opaque_seed: Zeroizing<[u8; 32]>,
    /// The seed that the token keys are derived from.
    pub token_seed: Zeroizing<[u8; 32]>,
    /// The queuing service's keys, which sign frames, batches of key packages and its key set.
    pub queuing: Vec<DatedKey<SigningKey>>,
    /// The keys that open queue configurations.
    pub config: Vec<DatedKey<HpkePrivateKey>>,
    /// The keys that open the seeds of federated streams.
    pub stream: Vec<DatedKey<HpkePrivateKey>>,
    /// The delivery service's keys, which sign its proposals and its key set.
    pub delivery: Vec<DatedKey<SigningKey>>,
    /// The key that encrypts rows which only the homeserver itself reads.
    pub service_key: EarKey,
    /// The seed of the keys of in-memory caches, so that no client can aim at their buckets.
    pub cache_seed: Zeroizing<[u8; 32]>,
}

/// A private key and when its public half is valid.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct DatedKey<K: Codec> {
    /// The private key. It stays of use for what was made with it after it has expired.
    pub key: K,
    /// When its public half is published and used.
    pub expiration: ExpirationData,
}

/// An intermediate credential and its private key.
#[derive(Debug, Clone, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct IntermediateKey {
    /// The credential, signed by a root.
    pub credential: AsIntermediateCredential,
    /// The key that it names, which signs client credentials.
    pub key: SigningKey,
}

/// The private key of a root credential. It is kept offline, since only adding an intermediate needs it.
/// Zeroized when dropped.
pub struct RootKey(pub(super) SigningKey);

pub(super) const ROOT_LIFETIME: Duration = DAY.saturating_mul(3650);
pub(super) const INTERMEDIATE_LIFETIME: Duration = DAY.saturating_mul(730);
pub(super) const SERVICE_LIFETIME: Duration = DAY.saturating_mul(365);

impl RootKey {
    /// Issues an intermediate of `root`, valid from `now`.
    fn issue(
        &self,
        root: &AsCredential,
        random: &mut Random,
        now: Timestamp,
    ) -> Result<IntermediateKey, ValidationError> {
        let key = SigningKey::generate(random);
        let expiration = ExpirationData::starting(now, INTERMEDIATE_LIFETIME);
        let credential = AsIntermediateCredential::create(&key, &self.0, root, expiration)?;
        Ok(IntermediateKey { credential, key })
    }
}

impl ServiceKeys {
    /// Fresh keys for `domain`, valid from `now`. The root's private key is dropped, so no intermediate can
    /// follow the first: for tests, and what ends before the first intermediate does (after two years).
    pub fn generate(domain: &Domain, random: &mut Random, now: Timestamp) -> Self {
        Self::generate_with_root(domain, random, now).0
    }

    /// Fresh keys for `domain`, valid from `now`, and the root's private key. It is to be kept where a thief
    /// of the homeserver's keys does not find it.
    pub fn generate_with_root(domain: &Domain, random: &mut Random, now: Timestamp) -> (Self, RootKey) {
        let root_key = RootKey(SigningKey::generate(random));
        let root =
            AsCredential::create(&root_key.0, domain.clone(), ExpirationData::starting(now, ROOT_LIFETIME));
        let intermediate = root_key.issue(&root, random, now);
        let expiration = ExpirationData::starting(now, SERVICE_LIFETIME);
        let keys = Self {
            roots: vec![root],
            intermediates: intermediate.into_iter().collect(),
            revocations: RevocationList::default(),
            opaque_seed: Zeroizing::new(random.array()),
            token_seed: Zeroizing::new(random.array()),
            queuing: vec![DatedKey { key: SigningKey::generate(random), expiration }],
            config: vec![DatedKey { key: HpkePrivateKey::generate(random), expiration }],
            stream: vec![DatedKey { key: HpkePrivateKey::generate(random), expiration }],
            delivery: vec![DatedKey { key: SigningKey::generate(random), expiration }],
            service_key: EarKey::random(random),
            cache_seed: Zeroizing::new(random.array()),
        };
        (keys, root_key)
    }

    /// Adds an intermediate, valid from `now`, that signs from now on. Earlier ones stay: what they signed is
    /// verified with them.
    ///
    /// # Errors
    /// [`ValidationError::UnknownSigner`] if none of the roots has this key,
    /// [`ValidationError::OutsideSignersValidity`] if the root has expired, [`ValidationError::TooMany`] if
    /// no more intermediates can be published. Nothing is changed then.
    pub fn add_intermediate(
        &mut self,
        root_key: &RootKey,
        random: &mut Random,
        now: Timestamp,
    ) -> Result<(), ValidationError> {
        let key = root_key.0.verifying_key();
        let root = self.roots.iter().find(|root| root.payload.verifying_key == key);
        let root = root.ok_or(ValidationError::UnknownSigner)?;
        if self.intermediates.len() >= MAX_INTERMEDIATES {
            return Err(ValidationError::TooMany);
        }
        let intermediate = root_key.issue(root, random, now)?;
        self.intermediates.insert(0, intermediate);
        Ok(())
    }

    /// Adds a key of each kind that the queuing and the delivery service publish, valid from `now`; those are
    /// used from now on. Earlier ones stay, for what was signed with them and sealed to them.
    pub fn add_service_keys(&mut self, random: &mut Random, now: Timestamp) {
        let expiration = ExpirationData::starting(now, SERVICE_LIFETIME);
        self.queuing.insert(0, DatedKey { key: SigningKey::generate(random), expiration });
        self.config.insert(0, DatedKey { key: HpkePrivateKey::generate(random), expiration });
        self.stream.insert(0, DatedKey { key: HpkePrivateKey::generate(random), expiration });
        self.delivery.insert(0, DatedKey { key: SigningKey::generate(random), expiration });
    }
}
