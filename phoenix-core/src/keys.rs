//! The keys of a homeserver, kept in its key file and never in the store (protocol.md §3, §6, §7, §8).

use std::time::Duration;

use zeroize::Zeroizing;

use crate::{
    credentials::{
        AsCredential, AsCredentialSet, AsCredentialSetContent, AsIntermediateCredential, DsKeySet,
        DsKeySetContent, KeyId, PublishedHpkeKey, PublishedKey, QsKeySet, QsKeySetContent, RevocationList,
    },
    crypto::{aead::EarKey, hpke::HpkePrivateKey, sign::SigningKey},
    identifiers::Domain,
    rng::Random,
    time::{DAY, ExpirationData, Timestamp},
    wire::codec::List,
};

/// Root and intermediate, service and token keys. Zeroized when dropped; nothing here is ever logged or stored.
///
/// Each list has the newest first. Older ones stay until nothing refers to them any more, so that rotation
/// overlaps.
pub struct ServiceKeys {
    /// Self-signed credentials; their keys are kept offline.
    pub roots: Vec<AsCredential>,
    /// Intermediates with their keys.
    pub intermediates: Vec<(AsIntermediateCredential, SigningKey)>,
    /// Revocations, published with the credentials.
    pub revocations: RevocationList,
    /// What the OPAQUE server setup is derived from.
    pub opaque_seed: Zeroizing<[u8; 32]>,
    /// What the token issuer keys are derived from.
    pub token_seed: Zeroizing<[u8; 32]>,
    /// Signs frames, batches of key packages, and the queuing service's key set.
    pub queuing: Vec<(SigningKey, ExpirationData)>,
    /// Opens queue configurations.
    pub config: Vec<(HpkePrivateKey, ExpirationData)>,
    /// Opens the seeds of federated streams.
    pub stream: Vec<(HpkePrivateKey, ExpirationData)>,
    /// Signs proposals of the delivery service, and its key set.
    pub delivery: Vec<(SigningKey, ExpirationData)>,
    /// Seals rows that only the homeserver itself must read.
    pub service_key: EarKey,
    /// Keys the in-memory caches, so that nobody can aim at their buckets.
    pub cache_seed: Zeroizing<[u8; 32]>,
}

const ROOT_LIFETIME: Duration = DAY.saturating_mul(3650);
const INTERMEDIATE_LIFETIME: Duration = DAY.saturating_mul(730);
const SERVICE_LIFETIME: Duration = DAY.saturating_mul(365);

impl ServiceKeys {
    /// Fresh keys for `domain`, valid from `now`. The root's private key is used once and dropped.
    pub fn generate(domain: &Domain, random: &mut Random, now: Timestamp) -> Self {
        let root_key = SigningKey::generate(random);
        let root =
            AsCredential::create(&root_key, domain.clone(), ExpirationData::starting(now, ROOT_LIFETIME));
        let intermediate_key = SigningKey::generate(random);
        let expiration = ExpirationData::starting(now, INTERMEDIATE_LIFETIME);
        let intermediates = AsIntermediateCredential::create(&intermediate_key, &root_key, &root, expiration)
            .map(|credential| vec![(credential, intermediate_key)]);
        let service = ExpirationData::starting(now, SERVICE_LIFETIME);
        Self {
            roots: vec![root],
            intermediates: intermediates.unwrap_or_default(),
            revocations: RevocationList::default(),
            opaque_seed: Zeroizing::new(random.array()),
            token_seed: Zeroizing::new(random.array()),
            queuing: vec![(SigningKey::generate(random), service)],
            config: vec![(HpkePrivateKey::generate(random), service)],
            stream: vec![(HpkePrivateKey::generate(random), service)],
            delivery: vec![(SigningKey::generate(random), service)],
            service_key: EarKey::random(random),
            cache_seed: Zeroizing::new(random.array()),
        }
    }

    /// The credentials as they are published at `now`; `None` if there is no valid intermediate to sign them.
    pub fn as_credential_set(
        &self,
        domain: &Domain,
        now: Timestamp,
        valid: Duration,
    ) -> Option<AsCredentialSet> {
        let (intermediate, key) = self.intermediate(now)?;
        let content = AsCredentialSetContent {
            domain: domain.clone(),
            roots: list(self.roots.iter().cloned()),
            intermediates: list(self.intermediates.iter().map(|(credential, _)| credential.clone())),
            revocations: self.revocations.clone(),
            issued_at: now,
            valid_until: now + valid,
            signer: intermediate.fingerprint(),
        };
        Some(AsCredentialSet::create(key, content))
    }

    /// The intermediate that signs client credentials at `now`, and its key.
    pub fn intermediate(&self, now: Timestamp) -> Option<(&AsIntermediateCredential, &SigningKey)> {
        let mut valid =
            self.intermediates.iter().filter(|(credential, _)| credential.expiration().contains(now));
        valid.next().map(|(credential, key)| (credential, key))
    }

    /// The queuing service's keys as they are published at `now`.
    pub fn qs_key_set(&self, domain: &Domain, now: Timestamp, valid: Duration) -> Option<QsKeySet> {
        let content = QsKeySetContent {
            domain: domain.clone(),
            keys: list(self.queuing.iter().map(published)),
            config_keys: list(self.config.iter().map(published_hpke)),
            stream_keys: list(self.stream.iter().map(published_hpke)),
            issued_at: now,
            valid_until: now + valid,
        };
        self.queuing.first().and_then(|(key, _)| QsKeySet::create(key, content).ok())
    }

    /// The delivery service's keys as they are published at `now`.
    pub fn ds_key_set(&self, domain: &Domain, now: Timestamp, valid: Duration) -> Option<DsKeySet> {
        let content = DsKeySetContent {
            domain: domain.clone(),
            keys: list(self.delivery.iter().map(published)),
            issued_at: now,
            valid_until: now + valid,
        };
        self.delivery.first().and_then(|(key, _)| DsKeySet::create(key, content).ok())
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

fn published((key, expiration): &(SigningKey, ExpirationData)) -> PublishedKey {
    PublishedKey::new(key.verifying_key(), *expiration)
}

fn published_hpke((key, expiration): &(HpkePrivateKey, ExpirationData)) -> PublishedHpkeKey {
    PublishedHpkeKey::new(key.public_key().0, *expiration)
}

/// As many as may be published; the newest come first.
fn list<T, const MAX: usize>(values: impl Iterator<Item = T>) -> List<T, MAX> {
    values.take(MAX).collect::<Vec<_>>().try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::validation::{
        validate_as_credential_set, validate_ds_key_set, validate_qs_key_set,
    };

    const NOW: Timestamp = Timestamp::from_milliseconds(1_800_000_000_000);

    #[test]
    fn what_is_published_stands_validation_until_it_is_over() {
        let domain: Domain = "example.com".parse().unwrap();
        let keys = ServiceKeys::generate(&domain, &mut Random::from_seed([1; 32]), NOW);
        let credentials = keys.as_credential_set(&domain, NOW, DAY).unwrap();
        let queuing = keys.qs_key_set(&domain, NOW, DAY).unwrap();
        let delivery = keys.ds_key_set(&domain, NOW, DAY).unwrap();
        for (later, valid) in [(DAY / 2, true), (DAY * 2, false)] {
            let now = NOW + later;
            assert_eq!(validate_as_credential_set(&credentials, &domain, now, None).is_ok(), valid);
            assert_eq!(validate_qs_key_set(&queuing, &domain, now).is_ok(), valid);
            assert_eq!(validate_ds_key_set(&delivery, &domain, now).is_ok(), valid);
        }
    }

    #[test]
    fn keys_are_found_by_the_ids_they_are_published_under() {
        let domain: Domain = "example.com".parse().unwrap();
        let keys = ServiceKeys::generate(&domain, &mut Random::from_seed([2; 32]), NOW);
        let published = keys.qs_key_set(&domain, NOW, DAY).unwrap().content;
        let config = keys.config_key(&published.config_keys[0].id).unwrap();
        assert_eq!(config.public_key().0, published.config_keys[0].key);
        let stream = keys.stream_key(&published.stream_keys[0].id).unwrap();
        assert_eq!(stream.public_key().0, published.stream_keys[0].key);
        assert!(keys.config_key(&published.stream_keys[0].id).is_none(), "each use has keys of its own");
    }
}
