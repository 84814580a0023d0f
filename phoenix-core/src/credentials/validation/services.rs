//! PROTOCOL.md §4, Validation — validation of the keys that queuing and delivery services publish.

use super::checks::check_set_times;
use crate::{
    credentials::{
        error::ValidationError,
        key_sets::{DsKeySet, KeyId, PublishedHpkeKey, PublishedKey, QsKeySet, newest, newest_hpke},
        signed::Suite,
    },
    crypto::sign::{Signable, Signature, VerifyingKey},
    identifiers::Domain,
    time::{ExpirationData, Timestamp},
};

/// Checks the keys that a queuing service published.
///
/// # Errors
/// The reason why the set is refused. The caller goes on with an earlier set while that is valid.
pub fn validate_qs_key_set(
    set: &QsKeySet,
    expected_domain: &Domain,
    now: Timestamp,
) -> Result<ValidatedQsKeys, ValidationError> {
    let content = &set.content;
    if content.domain != *expected_domain {
        return Err(ValidationError::WrongDomain);
    }
    check_set_times(content.issued_at, content.valid_until, now)?;
    for keys in [&content.config_keys, &content.stream_keys] {
        check_keys(keys.iter().map(Listed::from), content.issued_at)?;
        if newest_hpke(keys, content.issued_at).is_none() {
            return Err(ValidationError::Empty);
        }
    }
    check_signed(content, &content.keys, content.issued_at, content.valid_until, &set.signature)?;
    Ok(ValidatedQsKeys { set: set.clone() })
}

/// Checks the keys that a delivery service published.
///
/// # Errors
/// The reason why the set is refused. The caller goes on with an earlier set while that is valid.
pub fn validate_ds_key_set(
    set: &DsKeySet,
    expected_domain: &Domain,
    now: Timestamp,
) -> Result<ValidatedDsKeys, ValidationError> {
    let content = &set.content;
    if content.domain != *expected_domain {
        return Err(ValidationError::WrongDomain);
    }
    check_set_times(content.issued_at, content.valid_until, now)?;
    check_signed(content, &content.keys, content.issued_at, content.valid_until, &set.signature)?;
    Ok(ValidatedDsKeys { set: set.clone() })
}

/// What signature keys and HPKE keys have in common.
struct Listed<'a> {
    suite: Suite,
    id: KeyId,
    key: &'a [u8; 32],
    expiration: &'a ExpirationData,
}

impl<'a> From<&'a PublishedKey> for Listed<'a> {
    fn from(key: &'a PublishedKey) -> Self {
        Self { suite: key.suite, id: key.id, key: &key.verifying_key.0, expiration: &key.expiration }
    }
}

impl<'a> From<&'a PublishedHpkeKey> for Listed<'a> {
    fn from(key: &'a PublishedHpkeKey) -> Self {
        Self { suite: key.suite, id: key.id, key: &key.key.0, expiration: &key.expiration }
    }
}

/// There are keys, each has its own id, none is listed twice, and none had expired when the set was made.
fn check_keys<'a>(
    keys: impl Iterator<Item = Listed<'a>>,
    issued_at: Timestamp,
) -> Result<(), ValidationError> {
    let mut ids = Vec::new();
    for listed in keys {
        if listed.id != KeyId::of(listed.suite, listed.key) || ids.contains(&listed.id) {
            return Err(ValidationError::Contradiction);
        }
        if listed.expiration.not_after < issued_at {
            return Err(ValidationError::Expired);
        }
        ids.push(listed.id);
    }
    if ids.is_empty() { Err(ValidationError::Empty) } else { Ok(()) }
}

/// The signer is the newest key, so that a thief of a retired key cannot publish for the service.
fn check_signed<T: Signable>(
    content: &T,
    keys: &[PublishedKey],
    issued_at: Timestamp,
    valid_until: Timestamp,
    signature: &Signature,
) -> Result<(), ValidationError> {
    check_keys(keys.iter().map(Listed::from), issued_at)?;
    let signer = newest(keys, issued_at).ok_or(ValidationError::NotYetValid)?;
    if signer.expiration.not_after < valid_until {
        return Err(ValidationError::OutsideSignersValidity);
    }
    signer.verifying_key.verify(content, signature).map_err(|_| ValidationError::BadSignature)
}

fn find(keys: &[PublishedKey], id: KeyId, now: Timestamp) -> Option<&VerifyingKey> {
    let key = keys.iter().find(|key| key.id == id && key.expiration.contains(now))?;
    Some(&key.verifying_key)
}

fn find_hpke(keys: &[PublishedHpkeKey], id: KeyId, now: Timestamp) -> Option<&PublishedHpkeKey> {
    keys.iter().find(|key| key.id == id && key.expiration.contains(now))
}

/// The keys of a queuing service, validated. [`Self::set`] is what is stored of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidatedQsKeys {
    set: QsKeySet,
}

impl ValidatedQsKeys {
    /// Restores a set of `expected_domain` that was validated before it was stored: only the time has
    /// changed.
    ///
    /// # Errors
    /// The reason why the set is no longer valid.
    pub(crate) fn restore(
        set: QsKeySet,
        expected_domain: &Domain,
        now: Timestamp,
    ) -> Result<Self, ValidationError> {
        if set.content.domain != *expected_domain {
            return Err(ValidationError::WrongDomain);
        }
        check_set_times(set.content.issued_at, set.content.valid_until, now)?;
        Ok(Self { set })
    }

    /// The set as it was published.
    pub fn set(&self) -> &QsKeySet {
        &self.set
    }

    /// The homeserver's domain.
    pub fn domain(&self) -> &Domain {
        &self.set.content.domain
    }

    /// Until when the set may be used.
    pub fn valid_until(&self) -> Timestamp {
        self.set.content.valid_until
    }

    /// The signature key of this id, if it is listed and valid at `now`.
    pub fn verifying_key(&self, id: KeyId, now: Timestamp) -> Option<&VerifyingKey> {
        find(&self.set.content.keys, id, now)
    }

    /// The newest key that the service signs with at `now`.
    pub fn current_verifying_key(&self, now: Timestamp) -> Option<&PublishedKey> {
        newest(&self.set.content.keys, now)
    }

    /// The key for queue configurations of this id, if it is listed and valid at `now`.
    pub fn config_key(&self, id: KeyId, now: Timestamp) -> Option<&PublishedHpkeKey> {
        find_hpke(&self.set.content.config_keys, id, now)
    }

    /// The newest key that queue configurations are sealed to at `now`.
    pub fn current_config_key(&self, now: Timestamp) -> Option<&PublishedHpkeKey> {
        newest_hpke(&self.set.content.config_keys, now)
    }

    /// The key for federated streams of this id, if it is listed and valid at `now`.
    pub fn stream_key(&self, id: KeyId, now: Timestamp) -> Option<&PublishedHpkeKey> {
        find_hpke(&self.set.content.stream_keys, id, now)
    }

    /// The newest key that the seeds of federated streams are sealed to at `now`.
    pub fn current_stream_key(&self, now: Timestamp) -> Option<&PublishedHpkeKey> {
        newest_hpke(&self.set.content.stream_keys, now)
    }
}

/// The keys of a delivery service, validated. [`Self::set`] is what is stored of them; restoring them is
/// validating it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidatedDsKeys {
    set: DsKeySet,
}

impl ValidatedDsKeys {
    /// The set as it was published.
    pub fn set(&self) -> &DsKeySet {
        &self.set
    }

    /// The homeserver's domain.
    pub fn domain(&self) -> &Domain {
        &self.set.content.domain
    }

    /// Until when the set may be used.
    pub fn valid_until(&self) -> Timestamp {
        self.set.content.valid_until
    }

    /// The signature key of this id, if it is listed and valid at `now`.
    pub fn verifying_key(&self, id: KeyId, now: Timestamp) -> Option<&VerifyingKey> {
        find(&self.set.content.keys, id, now)
    }

    /// The newest key that the service signs with at `now`.
    pub fn current_verifying_key(&self, now: Timestamp) -> Option<&PublishedKey> {
        newest(&self.set.content.keys, now)
    }
}
