//! PROTOCOL.md §4, Validation — key sets of queuing and delivery services: overlap, and what is refused.

use super::*;
use crate::{crypto::hpke::HpkePublicKey, time::CLOCK_TOLERANCE};

struct Service {
    domain: Domain,
    old: SigningKey,
    new: SigningKey,
}

impl Service {
    fn new() -> Self {
        let mut random = Random::from_seed([30; 32]);
        let domain = "example.com".parse().unwrap();
        Self { domain, old: SigningKey::generate(&mut random), new: SigningKey::generate(&mut random) }
    }

    /// An old key with ten days to go, and a new one that took over an hour ago.
    fn keys(&self) -> List<PublishedKey, MAX_VERIFYING_KEYS> {
        let old = ExpirationData { not_before: NOW - DAY * 20, not_after: NOW + DAY * 10 };
        let keys = [(&self.old, old), (&self.new, lifetime(30))];
        let keys = keys.map(|(key, expiration)| PublishedKey::new(key.verifying_key(), expiration));
        List::new(keys.to_vec()).unwrap()
    }

    fn queuing(&self) -> QsKeySetContent {
        let next = ExpirationData { not_before: NOW + HOUR, not_after: NOW + DAY * 30 };
        let keys = vec![
            PublishedHpkeKey::new(HpkePublicKey([1; 32]), lifetime(30)),
            PublishedHpkeKey::new(HpkePublicKey([2; 32]), next),
        ];
        QsKeySetContent {
            domain: self.domain.clone(),
            keys: self.keys(),
            config_keys: List::new(keys.clone()).unwrap(),
            stream_keys: List::new(keys).unwrap(),
            issued_at: NOW,
            valid_until: NOW + DAY,
        }
    }

    fn delivery(&self) -> DsKeySetContent {
        DsKeySetContent {
            domain: self.domain.clone(),
            keys: self.keys(),
            issued_at: NOW,
            valid_until: NOW + DAY,
        }
    }

    /// The reasons why both kinds of set are refused once the part they share was changed: alike for both.
    fn refusal(
        &self,
        forge: impl Fn(&mut List<PublishedKey, MAX_VERIFYING_KEYS>, &mut Timestamp, &mut Timestamp),
    ) -> ValidationError {
        let mut content = self.queuing();
        forge(&mut content.keys, &mut content.issued_at, &mut content.valid_until);
        let set = QsKeySet { signature: self.new.sign(&content), content };
        let queuing = validate_qs_key_set(&set, &self.domain, NOW).unwrap_err();
        let mut content = self.delivery();
        forge(&mut content.keys, &mut content.issued_at, &mut content.valid_until);
        let set = DsKeySet { signature: self.new.sign(&content), content };
        assert_eq!(validate_ds_key_set(&set, &self.domain, NOW), Err(queuing));
        queuing
    }
}

#[test]
fn keys_are_found_by_id_and_time_and_the_newest_is_current() {
    let service = Service::new();
    let set = QsKeySet::create(&service.new, service.queuing()).unwrap();
    let keys = validate_qs_key_set(&set, &service.domain, NOW).unwrap();
    assert_eq!((keys.domain(), keys.valid_until()), (&service.domain, NOW + DAY));
    let id = |key: &SigningKey| KeyId::of(Suite::Ed25519Sha256Aes128GcmX25519, &key.verifying_key().0);
    assert_eq!(keys.verifying_key(id(&service.old), NOW), Some(&service.old.verifying_key()));
    assert_eq!(keys.verifying_key(id(&service.old), NOW + DAY * 11), None);
    assert_eq!(keys.verifying_key(KeyId([0; 8]), NOW), None);
    assert_eq!(keys.current_verifying_key(NOW).map(|key| key.id), Some(id(&service.new)));
    assert_eq!(keys.current_verifying_key(NOW - HOUR * 3).map(|key| key.id), Some(id(&service.old)));
    assert_eq!(keys.current_config_key(NOW).map(|key| key.key), Some(HpkePublicKey([1; 32])));
    assert_eq!(keys.current_stream_key(NOW + HOUR).map(|key| key.key), Some(HpkePublicKey([2; 32])));
    let first = keys.current_config_key(NOW).unwrap();
    assert_eq!(keys.config_key(first.id, NOW + HOUR * 2), Some(first));
    assert_eq!(keys.stream_key(first.id, NOW + DAY * 31), None);

    let set = DsKeySet::create(&service.new, service.delivery()).unwrap();
    let keys = validate_ds_key_set(&set, &service.domain, NOW).unwrap();
    assert_eq!((keys.domain(), keys.valid_until()), (&service.domain, NOW + DAY));
    assert_eq!(keys.verifying_key(id(&service.old), NOW), Some(&service.old.verifying_key()));
    assert_eq!(keys.current_verifying_key(NOW).map(|key| key.id), Some(id(&service.new)));
    assert_eq!(validate_ds_key_set(keys.set(), &service.domain, NOW + HOUR), Ok(keys));
}

#[test]
fn only_the_newest_key_signs() {
    let service = Service::new();
    let unknown = Err(ValidationError::UnknownSigner);
    assert_eq!(QsKeySet::create(&service.old, service.queuing()), unknown);
    assert_eq!(
        DsKeySet::create(&service.old, service.delivery()).map(|_| ()),
        Err(ValidationError::UnknownSigner)
    );
    let content = service.queuing();
    let set = QsKeySet { signature: service.old.sign(&content), content };
    let bad = Err(ValidationError::BadSignature);
    assert_eq!(validate_qs_key_set(&set, &service.domain, NOW), bad);
    let content = service.delivery();
    let set = DsKeySet { signature: service.old.sign(&content), content };
    assert_eq!(
        validate_ds_key_set(&set, &service.domain, NOW).map(|_| ()),
        Err(ValidationError::BadSignature)
    );
}

#[test]
fn another_homeservers_keys_are_refused() {
    let service = Service::new();
    let other = "example.org".parse().unwrap();
    let set = QsKeySet::create(&service.new, service.queuing()).unwrap();
    assert_eq!(validate_qs_key_set(&set, &other, NOW), Err(ValidationError::WrongDomain));
    let set = DsKeySet::create(&service.new, service.delivery()).unwrap();
    assert_eq!(validate_ds_key_set(&set, &other, NOW), Err(ValidationError::WrongDomain));
}

#[test]
fn bad_key_sets_are_refused_each_for_its_reason() {
    use ValidationError::*;
    let service = Service::new();
    assert_eq!(service.refusal(|keys, _, _| keys.clear()), Empty);
    assert_eq!(service.refusal(|_, _, until| *until = NOW - MINUTE), SetExpired);
    assert_eq!(service.refusal(|_, _, until| *until = NOW + MAX_SET_VALIDITY + MINUTE), ValidTooLong);
    assert_eq!(service.refusal(|_, issued, _| *issued = NOW + CLOCK_TOLERANCE + MINUTE), NotYetValid);
    // A key with the id of another.
    assert_eq!(service.refusal(|keys, _, _| keys[0].id = keys[1].id), Contradiction);
    // One key with two validities.
    let twice = |keys: &mut List<PublishedKey, MAX_VERIFYING_KEYS>| {
        let mut again = keys[0].clone();
        again.expiration.not_after = NOW + DAY * 11;
        keys.push(again).unwrap();
    };
    assert_eq!(service.refusal(|keys, _, _| twice(keys)), Contradiction);
    assert_eq!(service.refusal(|keys, _, _| keys[0].expiration.not_after = NOW - DAY), Expired);
    let later = |keys: &mut List<PublishedKey, MAX_VERIFYING_KEYS>| {
        keys.iter_mut().for_each(|key| key.expiration.not_before = NOW + HOUR);
    };
    assert_eq!(service.refusal(|keys, _, _| later(keys)), NotYetValid);
    let short = |keys: &mut List<PublishedKey, MAX_VERIFYING_KEYS>| {
        keys[1].expiration.not_after = NOW + HOUR;
    };
    assert_eq!(service.refusal(|keys, _, _| short(keys)), OutsideSignersValidity);
    // Anything else that was changed after it was signed.
    let mut set = DsKeySet::create(&service.new, service.delivery()).unwrap();
    set.content.valid_until = NOW + HOUR;
    assert_eq!(validate_ds_key_set(&set, &service.domain, NOW), Err(BadSignature));
}

#[test]
fn keys_for_sealing_are_checked_alike() {
    let service = Service::new();
    let refusal = |forge: &dyn Fn(&mut List<PublishedHpkeKey, MAX_HPKE_KEYS>)| {
        let reasons = [true, false].map(|config| {
            let mut content = service.queuing();
            forge(if config { &mut content.config_keys } else { &mut content.stream_keys });
            let set = QsKeySet::create(&service.new, content).unwrap();
            validate_qs_key_set(&set, &service.domain, NOW).unwrap_err()
        });
        assert_eq!(reasons[0], reasons[1]);
        reasons[0]
    };
    assert_eq!(refusal(&|keys| keys.clear()), ValidationError::Empty);
    // Nothing that could be sealed to now.
    assert_eq!(refusal(&|keys| keys.retain(|key| key.key.0 == [2; 32])), ValidationError::Empty);
    assert_eq!(refusal(&|keys| keys[0].key.0[0] ^= 1), ValidationError::Contradiction);
    assert_eq!(refusal(&|keys| keys[1] = keys[0].clone()), ValidationError::Contradiction);
    let dead = ExpirationData { not_before: NOW - DAY * 2, not_after: NOW - DAY };
    assert_eq!(refusal(&|keys| keys[1].expiration = dead), ValidationError::Expired);
}
