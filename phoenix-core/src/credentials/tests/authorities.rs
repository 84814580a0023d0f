//! PROTOCOL.md §4, Validation — sets of authority credentials that are refused, each for its reason.

use super::*;

use crate::{crypto::sign::VERIFICATIONS, time::CLOCK_TOLERANCE};

/// The reason why the set is refused after `forge` changed its content; signed as it should be.
fn refusal(forge: impl FnOnce(&mut TestChain, &mut AsCredentialSetContent)) -> ValidationError {
    let mut chain = TestChain::new(10);
    let mut content = chain.content();
    forge(&mut chain, &mut content);
    chain.validate(content).unwrap_err()
}

#[test]
fn a_set_of_another_homeserver_is_refused() {
    let chain = TestChain::new(10);
    let set = AsCredentialSet::create(&chain.intermediate_key, chain.content());
    let other: Domain = "example.org".parse().unwrap();
    let wrong = Err(ValidationError::WrongDomain);
    assert_eq!(validate_as_credential_set(&set, &other, NOW, None), wrong);
    let elsewhere = TestChain::seeded([11; 32], "example.org").authorities();
    assert_eq!(validate_as_credential_set(&set, &chain.domain, NOW, Some(&elsewhere)), wrong);
}

#[test]
fn a_set_that_lists_another_homeservers_credentials_is_refused() {
    let foreign_root = refusal(|_, content| {
        let other = TestChain::seeded([11; 32], "example.org");
        content.roots.push(other.root).unwrap();
    });
    assert_eq!(foreign_root, ValidationError::WrongDomain);
    let foreign_intermediate = refusal(|chain, content| {
        let key = SigningKey::generate(&mut chain.random);
        let mut payload = chain.intermediate.payload().clone();
        payload.domain = "example.org".parse().unwrap();
        payload.verifying_key = key.verifying_key();
        let mut forged = chain.intermediate.content.clone();
        forged.request = SelfSigned::sign(payload, &key);
        content.intermediates.push(grant_anything(forged, &chain.root_key)).unwrap();
    });
    assert_eq!(foreign_intermediate, ValidationError::WrongDomain);
}

#[test]
fn the_times_of_a_set_are_checked() {
    use ValidationError::{NotYetValid, OutsideSignersValidity, SetExpired, ValidTooLong};
    let long = refusal(|_, content| content.valid_until = NOW + MAX_SET_VALIDITY + MINUTE);
    assert_eq!(long, ValidTooLong);
    let ended = refusal(|_, content| content.valid_until = NOW - MINUTE);
    assert_eq!(ended, SetExpired);
    let early = refusal(|_, content| content.issued_at = NOW + CLOCK_TOLERANCE + MINUTE);
    assert_eq!(early, NotYetValid);
    let outlives = refusal(|chain, content| {
        let validity = ExpirationData::starting(NOW, HOUR);
        let short =
            AsIntermediateCredential::create(&chain.intermediate_key, &chain.root_key, &chain.root, validity);
        let short = short.unwrap();
        content.signer = short.fingerprint();
        content.intermediates = List::new(vec![short]).unwrap();
    });
    assert_eq!(outlives, OutsideSignersValidity);
    let chain = TestChain::new(10);
    let mut content = chain.content();
    content.issued_at = NOW + CLOCK_TOLERANCE;
    content.valid_until = content.issued_at + MAX_SET_VALIDITY;
    assert!(chain.validate(content).is_ok());
}

#[test]
fn a_credential_dead_when_the_set_was_made_or_a_signer_not_yet_valid_is_refused() {
    let issue = |chain: &TestChain, not_before, not_after| {
        let (key, root_key) = (&chain.intermediate_key, &chain.root_key);
        let root = AsCredential::create(
            root_key,
            chain.domain.clone(),
            ExpirationData { not_before: NOW - DAY * 100, not_after: NOW + DAY * 100 },
        );
        let validity = ExpirationData { not_before, not_after };
        (AsIntermediateCredential::create(key, root_key, &root, validity).unwrap(), root)
    };
    let expired = refusal(|chain, content| {
        let (dead, root) = issue(chain, NOW - DAY * 2, NOW - DAY);
        content.roots.push(root).unwrap();
        content.intermediates.push(dead).unwrap();
    });
    assert_eq!(expired, ValidationError::Expired);
    let expired_root = refusal(|chain, content| {
        let past = ExpirationData { not_before: NOW - DAY * 2, not_after: NOW - DAY };
        let root = AsCredential::create(&chain.root_key, chain.domain.clone(), past);
        content.roots.push(root).unwrap();
    });
    assert_eq!(expired_root, ValidationError::Expired);
    let expired_signer = refusal(|chain, content| {
        let (dead, root) = issue(chain, NOW - DAY * 2, NOW - DAY);
        content.signer = dead.fingerprint();
        content.roots.push(root).unwrap();
        content.intermediates.push(dead).unwrap();
    });
    assert_eq!(expired_signer, ValidationError::Expired);
    let early = refusal(|chain, content| {
        let (next, root) = issue(chain, NOW + HOUR, NOW + DAY * 2);
        content.signer = next.fingerprint();
        content.roots.push(root).unwrap();
        content.intermediates.push(next).unwrap();
    });
    assert_eq!(early, ValidationError::NotYetValid);
    // One that is only announced does no harm.
    let chain = TestChain::new(10);
    let (next, root) = issue(&chain, NOW + HOUR, NOW + DAY * 2);
    let mut content = chain.content();
    content.roots.push(root).unwrap();
    content.intermediates.push(next).unwrap();
    assert!(chain.validate(content).is_ok());
}

#[test]
fn every_key_is_proved_to_be_held() {
    let root = refusal(|chain, content| {
        let mut stolen = TestChain::new(12).root;
        stolen.signature = chain.root_key.sign(&stolen.payload);
        content.roots.push(stolen).unwrap();
    });
    assert_eq!(root, ValidationError::BadSelfSignature);
    let intermediate = refusal(|chain, content| {
        let mut forged = chain.intermediate.content.clone();
        forged.request.payload.verifying_key = TestChain::new(12).intermediate_key.verifying_key();
        content.intermediates.push(grant_anything(forged, &chain.root_key)).unwrap();
    });
    assert_eq!(intermediate, ValidationError::BadSelfSignature);
}

#[test]
fn an_intermediate_is_signed_by_a_listed_root_within_its_validity() {
    let unknown = refusal(|_, content| {
        content.intermediates.push(TestChain::new(12).intermediate).unwrap();
    });
    assert_eq!(unknown, ValidationError::UnknownSigner);
    let forged = refusal(|chain, content| {
        let mut forged = TestChain::new(12).intermediate;
        forged.content.signer = chain.root.fingerprint();
        content.intermediates.push(forged).unwrap();
    });
    assert_eq!(forged, ValidationError::BadSignature);
    let outlives = refusal(|chain, content| {
        let mut forged = chain.intermediate.content.clone();
        forged.request.payload.expiration = lifetime(4000);
        forged.request = SelfSigned::sign(forged.request.payload, &chain.intermediate_key);
        forged.expiration = lifetime(4000);
        content.intermediates.push(grant_anything(forged, &chain.root_key)).unwrap();
    });
    assert_eq!(outlives, ValidationError::OutsideSignersValidity);
    let never_asked_for = refusal(|chain, content| {
        let mut forged = chain.intermediate.content.clone();
        forged.expiration = lifetime(366);
        content.intermediates.push(grant_anything(forged, &chain.root_key)).unwrap();
    });
    assert_eq!(never_asked_for, ValidationError::OutsideSignersValidity);
}

#[test]
fn the_set_is_signed_by_a_listed_intermediate() {
    let unlisted = refusal(|_, content| content.signer = TestChain::new(12).intermediate.fingerprint());
    assert_eq!(unlisted, ValidationError::UnknownSigner);
    let by_root = refusal(|chain, content| content.signer = chain.root.fingerprint());
    assert_eq!(by_root, ValidationError::UnknownSigner);
    let chain = TestChain::new(10);
    let set = AsCredentialSet::create(&chain.client_key, chain.content());
    let result = validate_as_credential_set(&set, &chain.domain, NOW, None);
    assert_eq!(result, Err(ValidationError::BadSignature));
    let mut set = AsCredentialSet::create(&chain.intermediate_key, chain.content());
    set.content.valid_until = NOW + DAY * 2;
    let result = validate_as_credential_set(&set, &chain.domain, NOW, None);
    assert_eq!(result, Err(ValidationError::BadSignature));
}

#[test]
fn sets_without_content_or_with_repetitions_are_refused() {
    assert_eq!(refusal(|_, content| content.roots.clear()), ValidationError::Empty);
    assert_eq!(refusal(|_, content| content.intermediates.clear()), ValidationError::Empty);
    let root_twice = refusal(|chain, content| content.roots.push(chain.root.clone()).unwrap());
    assert_eq!(root_twice, ValidationError::Contradiction);
    let twice = refusal(|chain, content| {
        content.intermediates.push(chain.intermediate.clone()).unwrap();
    });
    assert_eq!(twice, ValidationError::Contradiction);
    let revoked_twice = refusal(|chain, content| {
        let entry = revoke(&chain.intermediate_key, chain.intermediate.fingerprint(), Fingerprint([1; 32]));
        content.revocations.entries = List::new(vec![entry; 2]).unwrap();
    });
    assert_eq!(revoked_twice, ValidationError::Contradiction);
}

#[test]
fn the_revoked_sign_no_sets() {
    let intermediate = refusal(|chain, content| {
        let entry = revoke(&chain.root_key, chain.root.fingerprint(), chain.intermediate.fingerprint());
        content.revocations = revocations(1, vec![entry]);
    });
    assert_eq!(intermediate, ValidationError::Revoked);
    let root = refusal(|chain, content| {
        let name = chain.root.fingerprint();
        content.revocations = revocations(1, vec![revoke(&chain.root_key, name, name)]);
    });
    assert_eq!(root, ValidationError::Revoked);
}

#[test]
fn a_revocation_is_signed_by_the_issuer() {
    let revocation_refusal = |entry: fn(&TestChain, &AsCredentialSetContent) -> Revocation| {
        let mut chain = TestChain::new(10);
        let (mut content, key, _) = chain.second_authority();
        content.revocations = revocations(1, vec![entry(&chain, &content)]);
        let set = AsCredentialSet::create(&key, content);
        validate_as_credential_set(&set, &chain.domain, NOW, None).map(|_| ()).unwrap_err()
    };
    // The name of the issuer, and another's signature.
    let forged = revocation_refusal(|chain, _| {
        revoke(&chain.client_key, chain.root.fingerprint(), chain.intermediate.fingerprint())
    });
    assert_eq!(forged, ValidationError::BadSignature);
    // One authority's intermediate cannot revoke another's, or a root.
    let other = revocation_refusal(|chain, content| {
        revoke(&chain.intermediate_key, content.signer, chain.intermediate.fingerprint())
    });
    assert_eq!(other, ValidationError::UnknownSigner);
    let upwards = revocation_refusal(|chain, _| {
        revoke(&chain.intermediate_key, chain.intermediate.fingerprint(), chain.root.fingerprint())
    });
    assert_eq!(upwards, ValidationError::UnknownSigner);
    let stranger = revocation_refusal(|chain, _| {
        revoke(&chain.client_key, chain.client.fingerprint(), Fingerprint([1; 32]))
    });
    assert_eq!(stranger, ValidationError::UnknownSigner);
}

#[test]
fn what_is_revoked_stays_revoked() {
    let chain = TestChain::new(10);
    let issuer = chain.intermediate.fingerprint();
    let entry = |byte| revoke(&chain.intermediate_key, issuer, Fingerprint([byte; 32]));
    let list = |number, entries| {
        let mut content = chain.content();
        content.revocations = revocations(number, entries);
        content
    };
    let previous = chain.validate(list(5, vec![entry(1)])).unwrap();
    assert_eq!(previous.revocation_number(), 5);
    let after = |content| chain.validate_after(content, Some(&previous)).map(|_| ());
    assert_eq!(after(list(5, vec![entry(1)])), Ok(()));
    assert_eq!(after(list(6, vec![entry(1), entry(2)])), Ok(()));
    let shrank = Err(ValidationError::RevocationListShrank);
    assert_eq!(after(list(4, vec![entry(1)])), shrank);
    assert_eq!(after(list(6, vec![entry(2)])), shrank);
    assert_eq!(after(list(5, vec![entry(1), entry(2)])), Err(ValidationError::Contradiction));
}

/// Strangers can have sets fetched: what a set costs does not grow with its list.
#[test]
fn a_set_costs_the_signatures_of_its_credentials_and_not_those_of_its_list() {
    let chain = TestChain::new(10);
    let issuer = chain.intermediate.fingerprint();
    let entry = revoke(&chain.intermediate_key, issuer, Fingerprint([1; 32]));
    let entries = (0..1000_u64).map(|number| {
        let mut entry = entry.clone();
        entry.content.fingerprint.0[..8].copy_from_slice(&number.to_be_bytes());
        entry
    });
    let mut content = chain.content();
    content.revocations = revocations(1, entries.collect());
    let before = VERIFICATIONS.get();
    let authorities = chain.validate(content).unwrap();
    let set = VERIFICATIONS.get() - before;
    assert!(set <= 4, "{set}: the set's, the root's own, and two of the intermediate");
    let before = VERIFICATIONS.get();
    assert!(validate_client_credential(&chain.client, &authorities, NOW).is_ok());
    assert_eq!(VERIFICATIONS.get() - before, 2, "its own chain");
}

/// The set's signer lists it, and the issuer has not signed it.
#[test]
fn a_revocation_that_the_issuer_has_not_signed_revokes_nothing() {
    let chain = TestChain::new(10);
    let (issuer, client) = (chain.intermediate.fingerprint(), chain.client.fingerprint());
    for (key, expected) in
        [(&chain.intermediate_key, Err(ValidationError::Revoked)), (&chain.client_key, Ok(()))]
    {
        let mut content = chain.content();
        content.revocations = revocations(1, vec![revoke(key, issuer, client)]);
        let authorities = chain.validate(content).unwrap();
        assert_eq!(validate_client_credential(&chain.client, &authorities, NOW).map(|_| ()), expected);
    }
}

#[test]
fn a_revocation_ends_with_what_it_revokes() {
    let chain = TestChain::new(10);
    let mut short = revoke(&chain.intermediate_key, chain.intermediate.fingerprint(), Fingerprint([1; 32]));
    short.content.expires = NOW + MINUTE;
    let short = Revocation::create(&chain.intermediate_key, short.content);
    let mut content = chain.content();
    content.revocations = revocations(1, vec![short]);
    let previous = chain.validate(content).unwrap();
    let mut content = chain.content();
    content.revocations = revocations(2, Vec::new());
    assert_eq!(
        chain.validate_after(content.clone(), Some(&previous)),
        Err(ValidationError::RevocationListShrank)
    );
    content.issued_at = NOW + MINUTE * 2;
    assert!(chain.validate_after(content, Some(&previous)).is_ok());
}

#[test]
fn too_many_revocations_make_no_list() {
    let chain = TestChain::new(10);
    let entry = revoke(&chain.intermediate_key, chain.intermediate.fingerprint(), Fingerprint([0; 32]));
    let entries = (0..=MAX_REVOCATIONS as u64).map(|number| {
        let mut entry = entry.clone();
        entry.content.fingerprint.0[..8].copy_from_slice(&number.to_be_bytes());
        entry
    });
    assert_eq!(RevocationList::create(1, entries.collect()), Err(ValidationError::TooMany));
    assert_eq!(revocations(1, vec![entry.clone(), entry]).entries.len(), 1);
}
