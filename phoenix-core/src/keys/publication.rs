//! PROTOCOL.md §9 — what is published of the keys, and which of them are in use.

use std::time::Duration;

use super::service_keys::ServiceKeys;
use crate::{
    codec::List,
    credentials::{
        AsCredential, AsCredentialSet, AsCredentialSetContent, AsIntermediateCredential, DsKeySet,
        DsKeySetContent, Fingerprint, KeyId, PublishedHpkeKey, PublishedKey, QsKeySet, QsKeySetContent,
        RevocationList,
    },
    crypto::{hpke::HpkePrivateKey, sign::SigningKey},
    identifiers::Domain,
    time::{ExpirationData, Timestamp},
};

impl ServiceKeys {
    /// The credentials as they are published at `now`: those that have not expired, for as long as their signer is
    /// valid. `None` if there is no intermediate to sign them.
    pub fn as_credential_set(
        &self,
        domain: &Domain,
        now: Timestamp,
        valid: Duration,
    ) -> Option<AsCredentialSet> {
        let (intermediate, key) = self.intermediate(now)?;
        let roots = self.roots.iter().filter(|root| lives(&root.payload.expiration, now));
        let intermediates = self.intermediates.iter().map(|(credential, _)| credential);
        let intermediates = intermediates.filter(|credential| lives(credential.expiration(), now));
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
        Some(AsCredentialSet::create(key, content))
    }

    /// The revocations whose issuer is published: the others can be verified by nobody, and what they revoke has
    /// expired with its issuer. Leaving one out is a change of the list, so it counts.
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

    /// The intermediate that signs client credentials at `now`, and its key: the newest that is valid, and neither
    /// revoked nor under a root that is.
    pub fn intermediate(&self, now: Timestamp) -> Option<(&AsIntermediateCredential, &SigningKey)> {
        let revoked = |fingerprint: &Fingerprint| self.revocations.find(fingerprint).is_some();
        let mut good = self.intermediates.iter().filter(|(credential, _)| {
            credential.expiration().contains(now)
                && !revoked(&credential.fingerprint())
                && !revoked(credential.signer())
        });
        good.next().map(|(credential, key)| (credential, key))
    }

    /// The queuing service's keys as they are published at `now`: those that have not expired, for as long as the
    /// newest of them is valid. `None` if none is valid now.
    pub fn qs_key_set(&self, domain: &Domain, now: Timestamp, valid: Duration) -> Option<QsKeySet> {
        let (key, expiration) = newest(&self.queuing, now)?;
        let content = QsKeySetContent {
            domain: domain.clone(),
            keys: list(living(&self.queuing, now).map(published)),
            config_keys: list(living(&self.config, now).map(published_hpke)),
            stream_keys: list(living(&self.stream, now).map(published_hpke)),
            issued_at: now,
            valid_until: (now + valid).min(expiration.not_after),
        };
        QsKeySet::create(key, content).ok()
    }

    /// The delivery service's keys as they are published at `now`, as with [`Self::qs_key_set`]. Those that have
    /// expired still sign for groups whose external senders name them.
    pub fn ds_key_set(&self, domain: &Domain, now: Timestamp, valid: Duration) -> Option<DsKeySet> {
        let (key, expiration) = newest(&self.delivery, now)?;
        let content = DsKeySetContent {
            domain: domain.clone(),
            keys: list(living(&self.delivery, now).map(published)),
            issued_at: now,
            valid_until: (now + valid).min(expiration.not_after),
        };
        DsKeySet::create(key, content).ok()
    }

    /// The published config keys, newest first.
    pub fn config_keys(&self) -> impl Iterator<Item = PublishedHpkeKey> {
        self.config.iter().map(published_hpke)
    }

    /// The config key with this id.
    pub fn config_key(&self, id: &KeyId) -> Option<&HpkePrivateKey> {
        self.config.iter().find(|key| published_hpke(key).id == *id).map(|(key, _)| key)
    }

    /// The stream key with this id.
    pub fn stream_key(&self, id: &KeyId) -> Option<&HpkePrivateKey> {
        self.stream.iter().find(|key| published_hpke(key).id == *id).map(|(key, _)| key)
    }

    /// The queuing service's signing key and its id.
    pub fn queuing_key(&self) -> Option<(&SigningKey, KeyId)> {
        self.queuing.first().map(|key| (&key.0, published(key).id))
    }
}

/// Whether a key is still to be published: one that has expired would make the whole set invalid.
fn lives(expiration: &ExpirationData, now: Timestamp) -> bool {
    expiration.not_after >= now
}

fn living<K>(keys: &[(K, ExpirationData)], now: Timestamp) -> impl Iterator<Item = &(K, ExpirationData)> {
    keys.iter().filter(move |(_, expiration)| lives(expiration, now))
}

/// The key that validators take for the newest: one that is published ahead of its time does not sign yet.
fn newest(keys: &[(SigningKey, ExpirationData)], now: Timestamp) -> Option<&(SigningKey, ExpirationData)> {
    let valid = keys.iter().filter(|(_, expiration)| expiration.contains(now));
    valid.max_by_key(|key| (key.1.not_before, published(key).id))
}

pub(super) fn published((key, expiration): &(SigningKey, ExpirationData)) -> PublishedKey {
    PublishedKey::new(key.verifying_key(), *expiration)
}

pub(super) fn published_hpke((key, expiration): &(HpkePrivateKey, ExpirationData)) -> PublishedHpkeKey {
    PublishedHpkeKey::new(key.public_key().0, *expiration)
}

/// As many as may be published; the newest come first.
fn list<T, const MAX: usize>(values: impl Iterator<Item = T>) -> List<T, MAX> {
    values.take(MAX).collect::<Vec<_>>().try_into().unwrap_or_default()
}
