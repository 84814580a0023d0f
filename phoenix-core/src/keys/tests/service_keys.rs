//! PROTOCOL.md §3 — tests of keys that are made, added to and found again.

use std::time::Duration;

use super::super::{
    RootKey, ServiceKeys,
    service_keys::{INTERMEDIATE_LIFETIME, ROOT_LIFETIME, SERVICE_LIFETIME},
};
use crate::{
    credentials::{
        MAX_INTERMEDIATES, ValidationError,
        validation::{validate_as_credential_set, validate_ds_key_set, validate_qs_key_set},
    },
    identifiers::Domain,
    rng::Random,
    time::{DAY, Timestamp},
};

const NOW: Timestamp = Timestamp::from_milliseconds(1_800_000_000_000);
const MILLISECOND: Duration = Duration::from_millis(1);

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
fn an_intermediate_that_is_added_signs_and_the_former_one_still_verifies() {
    let domain: Domain = "example.com".parse().unwrap();
    let mut random = Random::from_seed([3; 32]);
    let (mut keys, root) = ServiceKeys::generate_with_root(&domain, &mut random, NOW);
    let first = keys.intermediate(NOW).unwrap().credential.clone();
    let later = NOW + INTERMEDIATE_LIFETIME - DAY;
    keys.add_intermediate(&root, &mut random, later).unwrap();
    assert_ne!(keys.intermediate(later).unwrap().credential, first);
    assert_eq!(keys.intermediates[1].credential, first);
    let set = keys.as_credential_set(&domain, later, DAY).unwrap();
    assert_eq!(set.content.signer, keys.intermediates[0].credential.fingerprint());
    assert_eq!(set.content.intermediates.len(), 2);
    assert!(validate_as_credential_set(&set, &domain, later, None).is_ok());
    // When the first is over, the second goes on alone.
    let after = later + 2 * DAY;
    let set = keys.as_credential_set(&domain, after, DAY).unwrap();
    assert_eq!(set.content.intermediates.len(), 1);
    assert!(validate_as_credential_set(&set, &domain, after, None).is_ok());
}

#[test]
fn what_is_published_is_good_until_the_key_that_signs_it_is_over() {
    let domain: Domain = "example.com".parse().unwrap();
    let keys = ServiceKeys::generate(&domain, &mut Random::from_seed([5; 32]), NOW);
    let last = keys.intermediates[0].credential.expiration().not_after;
    let set = keys.as_credential_set(&domain, last, DAY).unwrap();
    assert!(validate_as_credential_set(&set, &domain, last, None).is_ok());
    assert!(keys.as_credential_set(&domain, last + MILLISECOND, DAY).is_err());
    let last = keys.queuing[0].expiration.not_after;
    let set = keys.qs_key_set(&domain, last, DAY).unwrap();
    assert!(validate_qs_key_set(&set, &domain, last).is_ok());
    assert!(keys.qs_key_set(&domain, last + MILLISECOND, DAY).is_err());
    let set = keys.ds_key_set(&domain, last, DAY).unwrap();
    assert!(validate_ds_key_set(&set, &domain, last).is_ok());
    assert!(keys.ds_key_set(&domain, last + MILLISECOND, DAY).is_err());
}

#[test]
fn service_keys_that_are_added_are_used_and_the_former_ones_stay_until_they_are_over() {
    let domain: Domain = "example.com".parse().unwrap();
    let mut random = Random::from_seed([6; 32]);
    let mut keys = ServiceKeys::generate(&domain, &mut random, NOW);
    let before = keys.qs_key_set(&domain, NOW, DAY).unwrap().content;
    let added = NOW + SERVICE_LIFETIME - DAY;
    keys.add_service_keys(&mut random, added);
    for (now, published) in [(added, 2), (added + 2 * DAY, 1)] {
        let queuing = keys.qs_key_set(&domain, now, DAY).unwrap();
        assert!(validate_qs_key_set(&queuing, &domain, now).is_ok());
        let queuing = queuing.content;
        let lengths = [queuing.keys.len(), queuing.config_keys.len(), queuing.stream_keys.len()];
        assert_eq!(lengths, [published; 3]);
        assert_eq!(queuing.keys[0].id, keys.queuing_key().unwrap().id);
        assert_ne!(queuing.keys[0], before.keys[0]);
        let delivery = keys.ds_key_set(&domain, now, DAY).unwrap();
        assert!(validate_ds_key_set(&delivery, &domain, now).is_ok());
        assert_eq!(delivery.content.keys.len(), published);
    }
    assert!(keys.config_key(&before.config_keys[0].id).is_some(), "what was sealed to it still opens");
    assert!(keys.stream_key(&before.stream_keys[0].id).is_some());
}

#[test]
fn an_intermediate_is_added_by_a_root_of_these_keys_only_and_only_while_it_is_valid() {
    let domain: Domain = "example.com".parse().unwrap();
    let mut random = Random::from_seed([4; 32]);
    let (mut keys, root) = ServiceKeys::generate_with_root(&domain, &mut random, NOW);
    let (_, other) = ServiceKeys::generate_with_root(&domain, &mut random, NOW);
    let mut add = |root: &RootKey, now| keys.add_intermediate(root, &mut random, now);
    assert_eq!(add(&other, NOW), Err(ValidationError::UnknownSigner));
    let over = NOW + ROOT_LIFETIME + DAY;
    assert_eq!(add(&root, over), Err(ValidationError::OutsideSignersValidity));
    for _ in 1..MAX_INTERMEDIATES {
        assert_eq!(add(&root, NOW), Ok(()));
    }
    assert_eq!(add(&root, NOW), Err(ValidationError::TooMany));
    assert_eq!(keys.intermediates.len(), MAX_INTERMEDIATES);
}

#[test]
fn keys_are_found_by_the_ids_they_are_published_under() {
    let domain: Domain = "example.com".parse().unwrap();
    let keys = ServiceKeys::generate(&domain, &mut Random::from_seed([2; 32]), NOW);
    let published = keys.qs_key_set(&domain, NOW, DAY).unwrap().content;
    let config = keys.config_key(&published.config_keys[0].id).unwrap();
    assert_eq!(config.public_key(), published.config_keys[0].key);
    let stream = keys.stream_key(&published.stream_keys[0].id).unwrap();
    assert_eq!(stream.public_key(), published.stream_keys[0].key);
    assert!(keys.config_key(&published.stream_keys[0].id).is_none(), "each use has keys of its own");
}
