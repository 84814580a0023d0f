//! PROTOCOL.md §4, Published sets — tests of what is published of the keys: overlap, expiry, revocation.

use std::time::Duration;

use super::super::{
    IntermediateKey, ServiceKeys,
    service_keys::{INTERMEDIATE_LIFETIME, ROOT_LIFETIME, SERVICE_LIFETIME},
};
use crate::{
    credentials::{
        AsCredential, AsIntermediateCredential, Fingerprint, PublishedHpkeKey, Revocation, RevocationContent,
        RevocationList,
        validation::{validate_as_credential_set, validate_ds_key_set, validate_qs_key_set},
    },
    crypto::sign::SigningKey,
    identifiers::Domain,
    rng::Random,
    time::{DAY, ExpirationData, Timestamp},
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
    let (first_key, first_config) = (keys.delivery[1].key.verifying_key(), keys.config[1].key.public_key());
    let first_config = PublishedHpkeKey::new(first_config, keys.config[1].expiration).id;
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
            keys.delivery.iter().any(|dated| dated.key.verifying_key() == first_key),
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
    assert!(keys.qs_key_set(&domain(), now, DAY).is_err(), "there is nothing left to sign with");
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
        let credential = AsIntermediateCredential::create(&key, &root_key, &root, lifetime).unwrap();
        IntermediateKey { credential, key }
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
    let [newer, older] = [0, 1].map(|index: usize| keys.intermediates[index].credential.fingerprint());
    assert_eq!(keys.intermediate(now).unwrap().credential.fingerprint(), newer);
    let root = keys.roots[0].fingerprint();
    let end = NOW + ROOT_LIFETIME;
    let of_newer = revocation(&root_key, root, newer, end);
    keys.revocations = RevocationList::create(1, vec![of_newer.clone()]).unwrap();
    assert_eq!(keys.intermediate(now).unwrap().credential.fingerprint(), older);
    let set = keys.as_credential_set(&domain(), now, DAY).unwrap();
    assert!(validate_as_credential_set(&set, &domain(), now, None).unwrap().is_revoked(&newer));
    for revoked in [older, root] {
        let entries = vec![of_newer.clone(), revocation(&root_key, root, revoked, end)];
        keys.revocations = RevocationList::create(2, entries).unwrap();
        assert!(keys.intermediate(now).is_err() && keys.as_credential_set(&domain(), now, DAY).is_err());
    }
}

#[test]
fn an_intermediate_that_has_expired_leaves_with_what_it_revoked_and_caches_follow() {
    let (mut keys, _) = two_intermediates();
    let IntermediateKey { credential: older, key: older_key } = &keys.intermediates[1];
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
