//! PROTOCOL.md §9 — what is published of the keys, and which of them are in use.

use std::time::Duration;

use super::ServiceKeys;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        credentials::{
            Revocation, RevocationContent,
            validation::{validate_as_credential_set, validate_ds_key_set, validate_qs_key_set},
        },
        crypto::sign::SigningKey,
        keys::{INTERMEDIATE_LIFETIME, ROOT_LIFETIME, SERVICE_LIFETIME},
        rng::Random,
        time::DAY,
    };

    const NOW: Timestamp = Timestamp::from_milliseconds(1_800_000_000_000);

    const HALF_DAY: Duration = DAY.checked_div(2).unwrap();

    fn domain() -> Domain {
        "example.com".parse().unwrap()
    }

    /// Service keys of which the next begin a month before the first ones end; and when that is.
    fn rotated() -> (ServiceKeys, Timestamp) {
        let random = &mut Random::from_seed([3; 32]);
        let mut keys = ServiceKeys::generate(&domain(), random, NOW);
        let next = ServiceKeys::generate(&domain(), random, NOW + SERVICE_LIFETIME - 30 * DAY);
        keys.queuing.splice(0..0, next.queuing);
        keys.config.splice(0..0, next.config);
        keys.stream.splice(0..0, next.stream);
        keys.delivery.splice(0..0, next.delivery);
        (keys, NOW + SERVICE_LIFETIME)
    }

    #[test]
    fn keys_that_have_expired_stay_in_use_and_out_of_what_is_published() {
        let (keys, first_end) = rotated();
        let (first_key, first_config) = (keys.delivery[1].0.verifying_key(), keys.config[1].0.public_key().0);
        let first_config = PublishedHpkeKey::new(first_config, keys.config[1].1).id;
        let month = 30 * DAY;
        // Before the rotation with the next keys at hand, while both are valid, on the last day, and after it.
        let ends = [first_end - 2 * month, first_end - month / 2, first_end - HALF_DAY, first_end + month];
        for (now, listed) in ends.into_iter().zip([2, 2, 2, 1]) {
            let queuing = keys.qs_key_set(&domain(), now, DAY).unwrap();
            let delivery = keys.ds_key_set(&domain(), now, DAY).unwrap();
            let content = &queuing.content;
            assert!(validate_qs_key_set(&queuing, &domain(), now).is_ok());
            assert!(validate_ds_key_set(&delivery, &domain(), now).is_ok());
            let counts = [content.keys.len(), content.config_keys.len(), content.stream_keys.len()];
            assert_eq!((counts, delivery.content.keys.len()), ([listed; 3], listed));
            assert!(keys.config_key(&first_config).is_some(), "what is sealed to it is still opened");
            assert!(
                keys.delivery.iter().any(|(key, _)| key.verifying_key() == first_key),
                "and it still signs"
            );
        }
    }

    #[test]
    fn a_set_ends_with_its_signer() {
        let keys = ServiceKeys::generate(&domain(), &mut Random::from_seed([4; 32]), NOW);
        let now = NOW + SERVICE_LIFETIME - HALF_DAY;
        let queuing = keys.qs_key_set(&domain(), now, DAY).unwrap();
        let delivery = keys.ds_key_set(&domain(), now, DAY).unwrap();
        assert_eq!(queuing.content.valid_until, NOW + SERVICE_LIFETIME);
        assert_eq!(delivery.content.valid_until, NOW + SERVICE_LIFETIME);
        assert!(validate_qs_key_set(&queuing, &domain(), now).is_ok());
        assert!(validate_ds_key_set(&delivery, &domain(), now).is_ok());
        let now = NOW + INTERMEDIATE_LIFETIME - HALF_DAY;
        let credentials = keys.as_credential_set(&domain(), now, DAY).unwrap();
        assert_eq!(credentials.content.valid_until, NOW + INTERMEDIATE_LIFETIME);
        assert!(validate_as_credential_set(&credentials, &domain(), now, None).is_ok());
        assert!(keys.qs_key_set(&domain(), now, DAY).is_none(), "there is nothing left to sign with");
    }

    /// Keys with two intermediates, the newer of which begins a month before the older one ends; and the root's.
    fn two_intermediates() -> (ServiceKeys, SigningKey) {
        let random = &mut Random::from_seed([5; 32]);
        let mut keys = ServiceKeys::generate(&domain(), random, NOW);
        let root_key = SigningKey::generate(random);
        let lifetime = ExpirationData::starting(NOW, ROOT_LIFETIME);
        let root = AsCredential::create(&root_key, domain(), lifetime);
        let intermediate = |random: &mut Random, from| {
            let key = SigningKey::generate(random);
            let lifetime = ExpirationData::starting(from, INTERMEDIATE_LIFETIME);
            (AsIntermediateCredential::create(&key, &root_key, &root, lifetime).unwrap(), key)
        };
        let older = intermediate(random, NOW);
        let newer = intermediate(random, NOW + INTERMEDIATE_LIFETIME - 30 * DAY);
        (keys.roots, keys.intermediates) = (vec![root], vec![newer, older]);
        (keys, root_key)
    }

    fn revocation(
        key: &SigningKey,
        signer: Fingerprint,
        fingerprint: Fingerprint,
        expires: Timestamp,
    ) -> Revocation {
        Revocation::create(key, RevocationContent { fingerprint, revoked_at: NOW, expires, signer })
    }

    #[test]
    fn a_revoked_intermediate_signs_nothing() {
        let (mut keys, root_key) = two_intermediates();
        let now = NOW + INTERMEDIATE_LIFETIME - 15 * DAY;
        let [newer, older] = [0, 1].map(|index: usize| keys.intermediates[index].0.fingerprint());
        assert_eq!(keys.intermediate(now).unwrap().0.fingerprint(), newer);
        let root = keys.roots[0].fingerprint();
        let end = NOW + ROOT_LIFETIME;
        let of_newer = revocation(&root_key, root, newer, end);
        keys.revocations = RevocationList::create(1, vec![of_newer.clone()]).unwrap();
        assert_eq!(keys.intermediate(now).unwrap().0.fingerprint(), older);
        let set = keys.as_credential_set(&domain(), now, DAY).unwrap();
        assert!(validate_as_credential_set(&set, &domain(), now, None).unwrap().is_revoked(&newer));
        for revoked in [older, root] {
            let entries = vec![of_newer.clone(), revocation(&root_key, root, revoked, end)];
            keys.revocations = RevocationList::create(2, entries).unwrap();
            assert!(
                keys.intermediate(now).is_none() && keys.as_credential_set(&domain(), now, DAY).is_none()
            );
        }
    }

    #[test]
    fn an_intermediate_that_has_expired_leaves_with_what_it_revoked_and_caches_follow() {
        let (mut keys, _) = two_intermediates();
        let (older, older_key) = &keys.intermediates[1];
        let end = older.expiration().not_after;
        let of_client = revocation(older_key, older.fingerprint(), Fingerprint([7; 32]), end);
        keys.revocations = RevocationList::create(1, vec![of_client]).unwrap();
        let (before, after) = (end - HALF_DAY, end + HALF_DAY);
        let set = keys.as_credential_set(&domain(), before, DAY).unwrap();
        assert_eq!((set.content.intermediates.len(), set.content.revocations.entries.len()), (2, 1));
        let known = validate_as_credential_set(&set, &domain(), before, None).unwrap();
        let set = keys.as_credential_set(&domain(), after, DAY).unwrap();
        assert_eq!((set.content.intermediates.len(), set.content.revocations.entries.len()), (1, 0));
        let followed = validate_as_credential_set(&set, &domain(), after, Some(&known));
        assert_eq!(followed.unwrap().revocation_number(), 2);
    }
}
