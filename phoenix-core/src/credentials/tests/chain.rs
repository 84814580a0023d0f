//! PROTOCOL.md §4, Validation — client and leaf credentials that are refused, each for its reason.

use super::*;

fn check_client(chain: &TestChain, credential: &ClientCredential) -> Result<(), ValidationError> {
    validate_client_credential(credential, &chain.authorities(), NOW).map(|_| ())
}

#[test]
fn a_request_is_for_this_homeserver_in_time_and_by_the_keys_holder() {
    let mut chain = TestChain::new(20);
    let mut check = |domain: &str, expiration, forge: fn(&mut ClientCredentialRequest)| {
        let id = client_id(&mut chain.random, &domain.parse().unwrap());
        let mut request = ClientCredentialRequest::create(&chain.client_key, id, expiration);
        forge(&mut request);
        validate_client_credential_request(&request, &chain.domain, NOW).map(|_| ())
    };
    assert_eq!(check("example.com", lifetime(1), |_| ()), Ok(()));
    assert_eq!(check("example.org", lifetime(1), |_| ()), Err(ValidationError::WrongDomain));
    let past = ExpirationData { not_before: NOW - DAY * 2, not_after: NOW - DAY };
    assert_eq!(check("example.com", past, |_| ()), Err(ValidationError::Expired));
    let future = ExpirationData { not_before: NOW + HOUR, not_after: NOW + DAY };
    assert_eq!(check("example.com", future, |_| ()), Err(ValidationError::NotYetValid));
    let renamed = check("example.com", lifetime(1), |request| request.payload.client_id.uuid.0[0] ^= 1);
    assert_eq!(renamed, Err(ValidationError::BadSelfSignature));
}

#[test]
fn issuing_clips_and_refuses_what_would_not_validate() {
    let chain = TestChain::new(20);
    let id = chain.client.client_id().clone();
    let request = ClientCredentialRequest::create(&chain.client_key, id, lifetime(4000));
    let request = validate_client_credential_request(&request, &chain.domain, NOW).unwrap();
    let issue = |key: &SigningKey, intermediate: &AsIntermediateCredential, expiration: &ExpirationData| {
        ClientCredential::issue(&request, key, intermediate, expiration)
    };
    let issued = issue(&chain.intermediate_key, &chain.intermediate, &lifetime(5000)).unwrap();
    assert_eq!(issued.expiration(), chain.intermediate.expiration());
    assert_eq!(check_client(&chain, &issued), Ok(()));
    let late = ExpirationData { not_before: NOW + DAY * 400, not_after: NOW + DAY * 500 };
    assert_eq!(
        issue(&chain.intermediate_key, &chain.intermediate, &late),
        Err(ValidationError::OutsideSignersValidity)
    );
    assert_eq!(
        issue(&chain.root_key, &chain.intermediate, &lifetime(1)),
        Err(ValidationError::UnknownSigner)
    );
    let other = TestChain::seeded([21; 32], "example.org");
    assert_eq!(
        issue(&other.intermediate_key, &other.intermediate, &lifetime(1)),
        Err(ValidationError::WrongDomain)
    );
}

#[test]
fn forged_client_credentials_are_refused() {
    let chain = TestChain::new(20);
    let elsewhere = TestChain::seeded([21; 32], "example.org").client;
    assert_eq!(check_client(&chain, &elsewhere), Err(ValidationError::WrongDomain));
    let stranger = TestChain::new(22).client;
    assert_eq!(check_client(&chain, &stranger), Err(ValidationError::UnknownSigner));
    let mut forged = stranger;
    forged.content.signer = chain.intermediate.fingerprint();
    assert_eq!(check_client(&chain, &forged), Err(ValidationError::BadSignature));
    let mut unheld = chain.client.content.clone();
    unheld.request.payload.verifying_key = chain.leaf_key.verifying_key();
    let unheld = grant_anything(unheld, &chain.intermediate_key);
    assert_eq!(check_client(&chain, &unheld), Err(ValidationError::BadSelfSignature));
    let mut never_asked_for = chain.client.content.clone();
    never_asked_for.expiration = lifetime(91);
    let never_asked_for = grant_anything(never_asked_for, &chain.intermediate_key);
    assert_eq!(check_client(&chain, &never_asked_for), Err(ValidationError::OutsideSignersValidity));
    // A root signs intermediates, not clients.
    let mut by_root = chain.client.content.clone();
    by_root.signer = chain.root.fingerprint();
    let by_root = grant_anything(by_root, &chain.root_key);
    assert_eq!(check_client(&chain, &by_root), Err(ValidationError::UnknownSigner));
}

#[test]
fn a_client_credential_outlives_neither_its_intermediate_nor_itself_nor_the_set() {
    let chain = TestChain::new(20);
    let mut outlives = chain.client.content.clone();
    outlives.request.payload.expiration = lifetime(400);
    outlives.request = SelfSigned::sign(outlives.request.payload, &chain.client_key);
    outlives.expiration = lifetime(400);
    let outlives = grant_anything(outlives, &chain.intermediate_key);
    assert_eq!(check_client(&chain, &outlives), Err(ValidationError::OutsideSignersValidity));

    let at = |now, valid_until| {
        let mut content = chain.content();
        content.issued_at = now;
        content.valid_until = valid_until;
        let set = AsCredentialSet::create(&chain.intermediate_key, content);
        validate_as_credential_set(&set, &chain.domain, now, None)
    };
    let check = |authorities: &ValidatedAsCredentials, now| {
        validate_client_credential(&chain.client, authorities, now).map(|_| ())
    };
    let later = NOW + DAY * 91;
    assert_eq!(check(&at(later, later + DAY).unwrap(), later), Err(ValidationError::Expired));
    let early = chain.client.expiration().not_before - MINUTE;
    assert_eq!(check(&chain.authorities(), early), Err(ValidationError::NotYetValid));
    assert_eq!(check(&chain.authorities(), NOW + DAY * 2), Err(ValidationError::SetExpired));
    // An expired intermediate signs no set, and what it signed before has ended with it.
    let end = NOW + DAY * 366;
    assert_eq!(at(end, end + DAY), Err(ValidationError::Expired));
}

#[test]
fn an_expired_intermediate_takes_its_clients_along() {
    let mut chain = TestChain::new(20);
    // Good for an hour only, and listed in a set that lasts for a day.
    let brief_key = SigningKey::generate(&mut chain.random);
    let validity = ExpirationData::starting(NOW, HOUR);
    let brief = AsIntermediateCredential::create(&brief_key, &chain.root_key, &chain.root, validity).unwrap();
    let request = chain.client.content.request.clone();
    let request = validate_client_credential_request(&request, &chain.domain, NOW).unwrap();
    let client = ClientCredential::issue(&request, &brief_key, &brief, &lifetime(90)).unwrap();
    let mut content = chain.content();
    content.intermediates.push(brief).unwrap();
    let authorities = chain.validate(content).unwrap();
    assert!(validate_client_credential(&client, &authorities, NOW).is_ok());
    let later = NOW + HOUR * 2;
    let again =
        validate_as_credential_set(authorities.set(), &chain.domain, later, Some(&authorities)).unwrap();
    assert_eq!(validate_client_credential(&client, &again, later), Err(ValidationError::Expired));
    assert!(validate_client_credential(&chain.client, &again, later).is_ok());
}

#[test]
fn revocation_takes_down_everything_below() {
    let mut chain = TestChain::new(20);
    let (content, key, _) = chain.second_authority();
    let check = |entry: Option<Revocation>| {
        let mut content = content.clone();
        content.revocations = revocations(1, entry.into_iter().collect());
        let set = AsCredentialSet::create(&key, content);
        let authorities = validate_as_credential_set(&set, &chain.domain, NOW, None).unwrap();
        let revoked = authorities.is_revoked(&chain.intermediate.fingerprint());
        (revoked, validate_client_credential(&chain.client, &authorities, NOW).map(|_| ()))
    };
    let (root, intermediate) = (chain.root.fingerprint(), chain.intermediate.fingerprint());
    let client = chain.client.fingerprint();
    assert_eq!(check(None), (false, Ok(())));
    let revoked = Err(ValidationError::Revoked);
    assert_eq!(check(Some(revoke(&chain.root_key, root, root))), (true, revoked));
    assert_eq!(check(Some(revoke(&chain.root_key, root, intermediate))), (true, revoked));
    assert_eq!(check(Some(revoke(&chain.intermediate_key, intermediate, client))), (false, revoked));
    // The other intermediate did not issue it, so its word counts for nothing.
    assert_eq!(check(Some(revoke(&key, content.signer, client))), (false, Ok(())));
}

#[test]
fn forged_leaf_credentials_are_refused() {
    let mut chain = TestChain::new(20);
    let client = chain.validated_client();
    let check = |leaf: &LeafCredential, key: &EarKey, now| {
        validate_leaf_credential(leaf, key, &client, now).map(|_| ())
    };
    let good = chain.leaf.clone();
    let key = chain.attribution_key.clone();
    assert_eq!(check(&good, &key, NOW), Ok(()));
    assert_eq!(check(&good, &key, NOW + DAY * 31), Err(ValidationError::Expired));
    assert_eq!(check(&good, &key, NOW - HOUR * 3), Err(ValidationError::NotYetValid));
    let wrong_key = EarKey::random(&mut chain.random);
    assert_eq!(check(&good, &wrong_key, NOW), Err(ValidationError::Undecryptable));

    let mut renamed = good.clone();
    renamed.leaf.payload.identity.0[0] ^= 1;
    assert_eq!(check(&renamed, &key, NOW), Err(ValidationError::BadSelfSignature));
    assert_eq!(validate_leaf_possession(&renamed, NOW), Err(ValidationError::BadSelfSignature));

    // The attribution of one leaf is worth nothing for another, even under the same key.
    renamed.leaf = SelfSigned::sign(renamed.leaf.payload, &chain.leaf_key);
    assert_eq!(check(&renamed, &key, NOW), Err(ValidationError::Undecryptable));

    // Sealed anew by a member who has the key, but not the client's.
    let attribution = encode(&good.attribution(&key).unwrap());
    let mut resealed = renamed.clone();
    resealed.encrypted_attribution =
        key.seal(&mut chain.random, &encode(&renamed.leaf), &attribution).unwrap();
    assert_eq!(check(&resealed, &key, NOW), Err(ValidationError::BadSignature));

    let mut padded = renamed.clone();
    padded.encrypted_attribution =
        key.seal(&mut chain.random, &encode(&renamed.leaf), &[attribution, vec![0]].concat()).unwrap();
    assert_eq!(validate_leaf_possession(&padded, NOW), Err(ValidationError::Undecryptable));

    let other = TestChain::new(22);
    assert_eq!(check(&other.leaf, &other.attribution_key, NOW), Err(ValidationError::UnknownSigner));
}

#[test]
fn a_leaf_lives_within_its_client() {
    let mut chain = TestChain::new(20);
    let create = |chain: &mut TestChain, client: &ClientCredential, key: &SigningKey, expiration| {
        let (leaf_key, ear) = (chain.leaf_key.clone(), chain.attribution_key.clone());
        LeafCredential::create(
            &mut chain.random,
            &leaf_key,
            key,
            client,
            &ear,
            LeafIdentity([7; 16]),
            expiration,
        )
    };
    let (client, key) = (chain.client.clone(), chain.client_key.clone());
    // Clipped, but not to the client's exact times: these would name it.
    let clipped = create(&mut chain, &client, &key, lifetime(400)).unwrap();
    let end = clipped.leaf.payload.expiration.not_after;
    assert!(end < client.expiration().not_after && end + HOUR > client.expiration().not_after);
    assert_eq!(end.milliseconds() % 3_600_000, 0);
    let validated = chain.validated_client();
    assert!(validate_leaf_credential(&clipped, &chain.attribution_key, &validated, NOW).is_ok());

    let late = ExpirationData { not_before: NOW + DAY * 100, not_after: NOW + DAY * 101 };
    let outside = Err(ValidationError::OutsideSignersValidity);
    assert_eq!(create(&mut chain, &client, &key, late), outside);
    let other_key = chain.root_key.clone();
    assert_eq!(create(&mut chain, &client, &other_key, lifetime(1)), Err(ValidationError::UnknownSigner));

    // Made with a longer client credential, shown with a shorter one of the same key.
    let mut short = client.content.clone();
    short.expiration = lifetime(10);
    let short = grant_anything(short, &chain.intermediate_key);
    let mut leaf = chain.leaf.clone();
    let mut attribution = leaf.attribution(&chain.attribution_key).unwrap();
    attribution.signer = short.fingerprint();
    leaf.encrypted_attribution =
        chain.attribution_key.seal(&mut chain.random, &encode(&leaf.leaf), &encode(&attribution)).unwrap();
    let short = validate_client_credential(&short, &chain.authorities(), NOW).unwrap();
    let result = validate_leaf_credential(&leaf, &chain.attribution_key, &short, NOW);
    assert_eq!(result.map(|_| ()), Err(ValidationError::OutsideSignersValidity));
}
