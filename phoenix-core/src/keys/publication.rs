//! PROTOCOL.md §4, Published sets — what is published of the keys, and which of them are in use.

use std::time::Duration;

use super::service_keys::{DatedKey, IntermediateKey, ServiceKeys};
use crate::{
    codec::{Codec, List},
    credentials::{
        AsCredential, AsCredentialSet, AsCredentialSetContent, AsIntermediateCredential, DsKeySet,
        DsKeySetContent, Fingerprint, KeyId, PublishedHpkeKey, PublishedKey, QsKeySet, QsKeySetContent,
        RevocationList,
    },
    crypto::{hpke::HpkePrivateKey, sign::SigningKey},
    identifiers::Domain,
    time::{ExpirationData, Timestamp},
};

/// No key of one kind is valid, so there is nothing to sign with or to seal to. No request causes this; the
/// operator has to add keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoValidKey {
    /// No intermediate credential is valid, unrevoked and under an unrevoked root.
    #[error("no intermediate credential is valid")]
    Intermediate,
    /// No signing key of the queuing service is valid.
    #[error("no signing key of the queuing service is valid")]
    Queuing,
    /// No key for queue configurations is valid.
    #[error("no key for queue configurations is valid")]
    Config,
    /// No signing key of the delivery service is valid.
    #[error("no signing key of the delivery service is valid")]
    Delivery,
}

/// What the queuing service signs with.
#[derive(Debug, Clone, Copy)]
pub struct QueuingKey<'a> {
    /// The id that the key is published under, which frames name it by.
    pub id: KeyId,
    /// The key.
    pub key: &'a SigningKey,
}

impl ServiceKeys {
    /// The credentials as they are published at `now`: those that have not expired. The set is valid for
    /// `valid`, or until its signer ends if that is earlier.
    ///
    /// # Errors
    /// [`NoValidKey::Intermediate`] if there is no intermediate to sign them.
    pub fn as_credential_set(
        &self,
        domain: &Domain,
        now: Timestamp,
        valid: Duration,
    ) -> Result<AsCredentialSet, NoValidKey> {
        let IntermediateKey { credential: intermediate, key } = self.intermediate(now)?;
        let roots = self.roots.iter().filter(|root| is_published(&root.payload.expiration, now));
        let intermediates = self.intermediates.iter().map(|intermediate| &intermediate.credential);
        let intermediates = intermediates.filter(|credential| is_published(credential.expiration(), now));
        let (roots, intermediates) = (list(roots.cloned()), list(intermediates.cloned()));
        let content = AsCredentialSetContent {
            domain: domain.clone(),
            revocations: self.published_revocations(&roots, &intermediates),
            roots,
            intermediates,
            issued_at: now,
            valid_until: (now + valid).min(intermediate.expiration().not_after),
            signer: intermediate.fingerprint(),
        };
        Ok(AsCredentialSet::create(key, content))
    }

    /// The revocations whose issuer is published: the others cannot be verified any more, and what they
    /// revoke has expired with its issuer. Leaving one out is a change of the list, so it counts.
    fn published_revocations(
        &self,
        roots: &[AsCredential],
        intermediates: &[AsIntermediateCredential],
    ) -> RevocationList {
        let issuers = roots.iter().map(AsCredential::fingerprint);
        let issuers: Vec<Fingerprint> =
            issuers.chain(intermediates.iter().map(AsIntermediateCredential::fingerprint)).collect();
        let RevocationList { mut number, mut entries } = self.revocations.clone();
        let all = entries.len();
        entries.retain(|revocation| issuers.contains(&revocation.content.signer));
        number = number.saturating_add((all - entries.len()) as u64);
        RevocationList { number, entries }
    }

    /// The intermediate that signs client credentials at `now`: the newest that is valid, and neither revoked
    /// nor under a root that is.
    ///
    /// # Errors
    /// [`NoValidKey::Intermediate`] if there is none.
    pub fn intermediate(&self, now: Timestamp) -> Result<&IntermediateKey, NoValidKey> {
        let revoked = |fingerprint: &Fingerprint| self.revocations.find(fingerprint).is_some();
        let mut good = self.intermediates.iter().filter(|IntermediateKey { credential, .. }| {
            credential.expiration().contains(now)
                && !revoked(&credential.fingerprint())
                && !revoked(credential.signer())
        });
        good.next().ok_or(NoValidKey::Intermediate)
    }

    /// The queuing service's keys as they are published at `now`: those that have not expired. The set is
    /// valid for `valid`, or until the newest signing key ends if that is earlier.
    ///
    /// # Errors
    /// [`NoValidKey::Queuing`] if no signing key is valid at `now`.
    pub fn qs_key_set(
        &self,
        domain: &Domain,
        now: Timestamp,
        valid: Duration,
    ) -> Result<QsKeySet, NoValidKey> {
        let DatedKey { key, expiration } = newest(&self.queuing, now).ok_or(NoValidKey::Queuing)?;
        let content = QsKeySetContent {
            domain: domain.clone(),
            keys: list(unexpired(&self.queuing, now).map(published)),
            config_keys: list(unexpired(&self.config, now).map(published_hpke)),
            stream_keys: list(unexpired(&self.stream, now).map(published_hpke)),
            issued_at: now,
            valid_until: (now + valid).min(expiration.not_after),
        };
        QsKeySet::create(key, content).map_err(|_| NoValidKey::Queuing)
    }

    /// The delivery service's keys as they are published at `now`, as with [`Self::qs_key_set`]. Those that
    /// have expired still sign for groups whose external senders name them.
    ///
    /// # Errors
    /// [`NoValidKey::Delivery`] if no signing key is valid at `now`.
    pub fn ds_key_set(
        &self,
        domain: &Domain,
        now: Timestamp,
        valid: Duration,
    ) -> Result<DsKeySet, NoValidKey> {
        let DatedKey { key, expiration } = newest(&self.delivery, now).ok_or(NoValidKey::Delivery)?;
        let content = DsKeySetContent {
            domain: domain.clone(),
            keys: list(unexpired(&self.delivery, now).map(published)),
            issued_at: now,
            valid_until: (now + valid).min(expiration.not_after),
        };
        DsKeySet::create(key, content).map_err(|_| NoValidKey::Delivery)
    }

    /// The key that clients seal queue configurations to at `now`: the first that is valid.
    ///
    /// # Errors
    /// [`NoValidKey::Config`] if none is valid at `now`.
    pub fn published_config_key(&self, now: Timestamp) -> Result<PublishedHpkeKey, NoValidKey> {
        self.config_keys().find(|key| key.expiration.contains(now)).ok_or(NoValidKey::Config)
    }

    /// The public halves of all config keys, newest first, those included that have expired.
    pub fn config_keys(&self) -> impl Iterator<Item = PublishedHpkeKey> {
        self.config.iter().map(published_hpke)
    }

    /// The private key for queue configurations with this id, also if it has expired.
    pub fn config_key(&self, id: &KeyId) -> Option<&HpkePrivateKey> {
        self.config.iter().find(|dated| published_hpke(dated).id == *id).map(|dated| &dated.key)
    }

    /// The private key for seeds of federated streams with this id, also if it has expired.
    pub fn stream_key(&self, id: &KeyId) -> Option<&HpkePrivateKey> {
        self.stream.iter().find(|dated| published_hpke(dated).id == *id).map(|dated| &dated.key)
    }

    /// The key that the queuing service signs frames and batches of key packages with: the newest.
    ///
    /// # Errors
    /// [`NoValidKey::Queuing`] if there is none at all. Whether the key is valid is for the receiver to see.
    pub fn queuing_key(&self) -> Result<QueuingKey<'_>, NoValidKey> {
        let newest = self.queuing.first().ok_or(NoValidKey::Queuing)?;
        Ok(QueuingKey { id: published(newest).id, key: &newest.key })
    }
}

/// Whether a key is published still: one that has expired would make the whole set invalid.
fn is_published(expiration: &ExpirationData, now: Timestamp) -> bool {
    expiration.not_after >= now
}

fn unexpired<K: Codec>(keys: &[DatedKey<K>], now: Timestamp) -> impl Iterator<Item = &DatedKey<K>> {
    keys.iter().filter(move |dated| is_published(&dated.expiration, now))
}

/// The key that validators take for the newest. A key that is published ahead of its time does not sign yet.
fn newest(keys: &[DatedKey<SigningKey>], now: Timestamp) -> Option<&DatedKey<SigningKey>> {
    let valid = keys.iter().filter(|dated| dated.expiration.contains(now));
    valid.max_by_key(|dated| (dated.expiration.not_before, published(dated).id))
}

pub(super) fn published(dated: &DatedKey<SigningKey>) -> PublishedKey {
    PublishedKey::new(dated.key.verifying_key(), dated.expiration)
}

pub(super) fn published_hpke(dated: &DatedKey<HpkePrivateKey>) -> PublishedHpkeKey {
    PublishedHpkeKey::new(dated.key.public_key(), dated.expiration)
}

/// At most `MAX` values: the newest, which come first.
fn list<T, const MAX: usize>(values: impl Iterator<Item = T>) -> List<T, MAX> {
    values.take(MAX).collect::<Vec<_>>().try_into().unwrap_or_default()
}
