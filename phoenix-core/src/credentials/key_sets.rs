//! PROTOCOL.md §4, Published sets — the sets of credentials and keys that each service publishes, with their
//! validity.

use std::{fmt, time::Duration};

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::{
    authority::{AsCredential, AsIntermediateCredential},
    error::ValidationError,
    revocation::RevocationList,
    signed::{Fingerprint, Suite},
};
use crate::{
    codec::{List, encode},
    crypto::{
        hpke::HpkePublicKey,
        kdf,
        labels::Label,
        sign::{Signable, Signature, SigningKey, VerifyingKey},
    },
    hex::Hex,
    identifiers::Domain,
    time::{DAY, ExpirationData, Timestamp},
};

/// The longest time for which a published set may be valid (PROTOCOL.md §9).
pub const MAX_SET_VALIDITY: Duration = DAY.saturating_mul(7);

/// The most roots in a set. A revoked root stays listed until it expires.
pub const MAX_ROOTS: usize = 8;
/// The most intermediates in a set.
pub const MAX_INTERMEDIATES: usize = 16;
/// The most signature keys that a service can publish. Retired ones stay listed until they expire.
pub const MAX_VERIFYING_KEYS: usize = 32;
/// The most HPKE keys that a service can publish for one use.
pub const MAX_HPKE_KEYS: usize = 16;

/// The credentials and revocations of an authentication service, as they are signed.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct AsCredentialSetContent {
    /// The homeserver's domain.
    pub domain: Domain,
    /// Roots, revoked ones included until they expire.
    pub roots: List<AsCredential, MAX_ROOTS>,
    /// Intermediates, revoked ones included until they expire.
    pub intermediates: List<AsIntermediateCredential, MAX_INTERMEDIATES>,
    /// The revocations in force.
    pub revocations: RevocationList,
    /// When the set was made.
    pub issued_at: Timestamp,
    /// Until when it may be used.
    pub valid_until: Timestamp,
    /// The fingerprint of the intermediate that signs the set, since roots are offline.
    pub signer: Fingerprint,
}

impl Signable for AsCredentialSetContent {
    const LABEL: Label = Label::AS_CREDENTIAL_SET;
}

/// The credentials and revocations of an authentication service, signed.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct AsCredentialSet {
    /// What is signed.
    pub content: AsCredentialSetContent,
    /// The signature by the intermediate `content.signer`.
    pub signature: Signature,
}

impl AsCredentialSet {
    /// Signs the set. `key` has to be the key of the credential `content.signer`.
    pub fn create(key: &SigningKey, content: AsCredentialSetContent) -> Self {
        let signature = key.sign(&content);
        Self { content, signature }
    }
}

/// Names a published key: the first 8 bytes of a hash of its suite and of the key, so that one id cannot name
/// two keys.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct KeyId(pub [u8; 8]);

impl KeyId {
    /// Returns the id of the public key with these bytes.
    pub fn of(suite: Suite, key: &[u8; 32]) -> Self {
        let hash = kdf::hash(Label::FINGERPRINT, &[&encode(&suite), key]);
        let mut id = [0; 8];
        id.copy_from_slice(&hash[..8]);
        Self(id)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(formatter)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KeyId({self})")
    }
}

/// A signature key that a service publishes.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct PublishedKey {
    /// The algorithms that the key is for.
    pub suite: Suite,
    /// [`KeyId::of`] the key.
    pub id: KeyId,
    /// The public key.
    pub verifying_key: VerifyingKey,
    /// When it is valid.
    pub expiration: ExpirationData,
}

impl PublishedKey {
    /// Publishes `verifying_key` under its id.
    pub fn new(verifying_key: VerifyingKey, expiration: ExpirationData) -> Self {
        let suite = Suite::Ed25519Sha256Aes128GcmX25519;
        Self { suite, id: KeyId::of(suite, &verifying_key.0), verifying_key, expiration }
    }
}

/// A key that a service publishes for sealing to it (X25519).
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct PublishedHpkeKey {
    /// The algorithms that the key is for.
    pub suite: Suite,
    /// [`KeyId::of`] the key.
    pub id: KeyId,
    /// The public key.
    pub key: HpkePublicKey,
    /// When it is valid.
    pub expiration: ExpirationData,
}

impl PublishedHpkeKey {
    /// Publishes `key` under its id.
    pub fn new(key: HpkePublicKey, expiration: ExpirationData) -> Self {
        let suite = Suite::Ed25519Sha256Aes128GcmX25519;
        Self { suite, id: KeyId::of(suite, &key.0), key, expiration }
    }
}

/// The public keys of a queuing service, as they are signed.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct QsKeySetContent {
    /// The homeserver's domain.
    pub domain: Domain,
    /// The keys that the service signs with.
    pub keys: List<PublishedKey, MAX_VERIFYING_KEYS>,
    /// The keys that queue configurations are sealed to.
    pub config_keys: List<PublishedHpkeKey, MAX_HPKE_KEYS>,
    /// The keys that the seeds of federated streams are sealed to.
    pub stream_keys: List<PublishedHpkeKey, MAX_HPKE_KEYS>,
    /// When the set was made.
    pub issued_at: Timestamp,
    /// Until when it may be used.
    pub valid_until: Timestamp,
}

impl Signable for QsKeySetContent {
    const LABEL: Label = Label::QS_KEY_SET;
}

/// The public keys of a queuing service, signed.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct QsKeySet {
    /// What is signed.
    pub content: QsKeySetContent,
    /// The signature by the newest of the set's keys that was valid when the set was made.
    pub signature: Signature,
}

impl QsKeySet {
    /// Signs the set with `key`, the newest of its keys (see [`newest`]).
    ///
    /// # Errors
    /// [`ValidationError::UnknownSigner`] if `key` is another.
    pub fn create(key: &SigningKey, content: QsKeySetContent) -> Result<Self, ValidationError> {
        check_newest(&content.keys, content.issued_at, key)?;
        let signature = key.sign(&content);
        Ok(Self { content, signature })
    }
}

/// The public keys of a delivery service, as they are signed.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct DsKeySetContent {
    /// The homeserver's domain.
    pub domain: Domain,
    /// The keys that the service signs proposals with.
    pub keys: List<PublishedKey, MAX_VERIFYING_KEYS>,
    /// When the set was made.
    pub issued_at: Timestamp,
    /// Until when it may be used.
    pub valid_until: Timestamp,
}

impl Signable for DsKeySetContent {
    const LABEL: Label = Label::DS_KEY_SET;
}

/// The public keys of a delivery service, signed.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct DsKeySet {
    /// What is signed.
    pub content: DsKeySetContent,
    /// The signature by the newest of the set's keys that was valid when the set was made.
    pub signature: Signature,
}

impl DsKeySet {
    /// Signs the set with `key`, the newest of its keys (see [`newest`]).
    ///
    /// # Errors
    /// [`ValidationError::UnknownSigner`] if `key` is another.
    pub fn create(key: &SigningKey, content: DsKeySetContent) -> Result<Self, ValidationError> {
        check_newest(&content.keys, content.issued_at, key)?;
        let signature = key.sign(&content);
        Ok(Self { content, signature })
    }
}

/// Returns the key whose validity began last, among the `keys` that are valid at `now`; of two that began at
/// the same time, the one with the higher id.
pub fn newest(keys: &[PublishedKey], now: Timestamp) -> Option<&PublishedKey> {
    let valid = keys.iter().filter(|key| key.expiration.contains(now));
    valid.max_by_key(|key| (key.expiration.not_before, key.id))
}

/// As [`newest`], for HPKE keys.
pub fn newest_hpke(keys: &[PublishedHpkeKey], now: Timestamp) -> Option<&PublishedHpkeKey> {
    let valid = keys.iter().filter(|key| key.expiration.contains(now));
    valid.max_by_key(|key| (key.expiration.not_before, key.id))
}

fn check_newest(keys: &[PublishedKey], now: Timestamp, key: &SigningKey) -> Result<(), ValidationError> {
    match newest(keys, now) {
        Some(newest) if newest.verifying_key == key.verifying_key() => Ok(()),
        _ => Err(ValidationError::UnknownSigner),
    }
}
