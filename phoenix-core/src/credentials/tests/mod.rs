//! PROTOCOL.md §4 — a homeserver's whole chain, and each forgery that validation stops.

mod authorities;
mod chain;
mod encoding;
mod services;

use super::{validation::*, *};
use crate::{
    codec::{Codec, List, encode},
    crypto::{aead::EarKey, sign::SigningKey},
    identifiers::{ClientId, ClientUuid, Domain, LeafIdentity, UserId, UserUuid},
    rng::Random,
    time::{DAY, ExpirationData, HOUR, MINUTE, Timestamp},
};

const NOW: Timestamp = Timestamp::from_milliseconds(1_800_000_123_456);

/// The credentials of one homeserver, from its root to a leaf, with all private keys.
struct TestChain {
    random: Random,
    domain: Domain,
    root_key: SigningKey,
    root: AsCredential,
    intermediate_key: SigningKey,
    intermediate: AsIntermediateCredential,
    client_key: SigningKey,
    client: ClientCredential,
    leaf_key: SigningKey,
    attribution_key: EarKey,
    leaf: LeafCredential,
}

fn lifetime(days: u32) -> ExpirationData {
    ExpirationData::starting(NOW, DAY * days)
}

fn client_id(random: &mut Random, domain: &Domain) -> ClientId {
    ClientId {
        user_id: UserId { uuid: UserUuid(random.array()), domain: domain.clone() },
        uuid: ClientUuid(random.array()),
    }
}

impl TestChain {
    fn new(seed: u8) -> Self {
        Self::seeded([seed; 32], "example.com")
    }

    fn seeded(seed: [u8; 32], domain: &str) -> Self {
        let mut random = Random::from_seed(seed);
        let domain: Domain = domain.parse().unwrap();
        let [root_key, intermediate_key, client_key, leaf_key] =
            std::array::from_fn(|_| SigningKey::generate(&mut random));
        let root = AsCredential::create(&root_key, domain.clone(), lifetime(3650));
        let intermediate =
            AsIntermediateCredential::create(&intermediate_key, &root_key, &root, lifetime(365)).unwrap();
        let id = client_id(&mut random, &domain);
        let request = ClientCredentialRequest::create(&client_key, id, lifetime(90));
        let request = validate_client_credential_request(&request, &domain, NOW).unwrap();
        let client =
            ClientCredential::issue(&request, &intermediate_key, &intermediate, &lifetime(90)).unwrap();
        let attribution_key = EarKey::random(&mut random);
        let identity = LeafIdentity::random(&mut random);
        let leaf = LeafCredential::create(
            &mut random,
            &leaf_key,
            &client_key,
            &client,
            &attribution_key,
            identity,
            lifetime(30),
        )
        .unwrap();
        Self {
            random,
            domain,
            root_key,
            root,
            intermediate_key,
            intermediate,
            client_key,
            client,
            leaf_key,
            attribution_key,
            leaf,
        }
    }

    fn content(&self) -> AsCredentialSetContent {
        AsCredentialSetContent {
            domain: self.domain.clone(),
            roots: List::new(vec![self.root.clone()]).unwrap(),
            intermediates: List::new(vec![self.intermediate.clone()]).unwrap(),
            revocations: RevocationList::default(),
            issued_at: NOW,
            valid_until: NOW + DAY,
            signer: self.intermediate.fingerprint(),
        }
    }

    /// A second root and intermediate, and the set that lists both pairs and is signed by the second.
    fn second_authority(&mut self) -> (AsCredentialSetContent, SigningKey, SigningKey) {
        let root_key = SigningKey::generate(&mut self.random);
        let key = SigningKey::generate(&mut self.random);
        let root = AsCredential::create(&root_key, self.domain.clone(), lifetime(3650));
        let intermediate = AsIntermediateCredential::create(&key, &root_key, &root, lifetime(365)).unwrap();
        let mut content = self.content();
        content.signer = intermediate.fingerprint();
        content.roots.push(root).unwrap();
        content.intermediates.push(intermediate).unwrap();
        (content, key, root_key)
    }

    fn validate(&self, content: AsCredentialSetContent) -> Result<ValidatedAsCredentials, ValidationError> {
        self.validate_after(content, None)
    }

    /// Validates the set, signed by the first intermediate.
    fn validate_after(
        &self,
        content: AsCredentialSetContent,
        previous: Option<&ValidatedAsCredentials>,
    ) -> Result<ValidatedAsCredentials, ValidationError> {
        let set = AsCredentialSet::create(&self.intermediate_key, content);
        validate_as_credential_set(&set, &self.domain, NOW, previous)
    }

    fn authorities(&self) -> ValidatedAsCredentials {
        self.validate(self.content()).unwrap()
    }

    fn validated_client(&self) -> ValidatedClientCredential {
        validate_client_credential(&self.client, &self.authorities(), NOW).unwrap()
    }
}

fn revoke(key: &SigningKey, signer: Fingerprint, fingerprint: Fingerprint) -> Revocation {
    let content = RevocationContent { fingerprint, revoked_at: NOW - HOUR, expires: NOW + DAY * 365, signer };
    Revocation::create(key, content)
}

fn revocations(number: u64, entries: Vec<Revocation>) -> RevocationList {
    RevocationList::create(number, entries).unwrap()
}

/// What an issuer grants without asking whether it may.
fn grant_anything<P: IssuedPayload>(content: IssuedContent<P>, key: &SigningKey) -> Issued<P> {
    let signature = key.sign(&content);
    Issued { content, signature }
}

#[test]
fn a_whole_chain_is_good() {
    let chain = TestChain::new(1);
    let authorities = chain.authorities();
    assert_eq!(authorities.domain(), &chain.domain);
    assert_eq!(authorities.valid_until(), NOW + DAY);
    let client = validate_client_credential(&chain.client, &authorities, NOW).unwrap();
    assert_eq!(client.client_id(), chain.client.client_id());
    assert_eq!(client.verifying_key(), &chain.client_key.verifying_key());
    let leaf = validate_leaf_credential(&chain.leaf, &chain.attribution_key, &client, NOW).unwrap();
    assert_eq!(leaf.client_id(), client.client_id());
    assert_eq!(leaf.client_fingerprint(), &chain.client.fingerprint());
    assert_eq!(leaf.pseudonym().verifying_key(), &chain.leaf_key.verifying_key());
    assert_eq!(validate_leaf_possession(&chain.leaf, NOW).as_ref(), Ok(leaf.pseudonym()));
}

#[test]
fn what_is_stored_validates_again_until_the_set_ends() {
    let chain = TestChain::new(2);
    let authorities = chain.authorities();
    let later = |now| validate_as_credential_set(authorities.set(), &chain.domain, now, Some(&authorities));
    assert_eq!(later(NOW + DAY), Ok(authorities.clone()));
    assert_eq!(later(NOW + DAY + std::time::Duration::from_millis(1)), Err(ValidationError::SetExpired));
}

#[test]
fn a_leaf_shows_nothing_of_its_client() {
    let chain = TestChain::new(3);
    let encoded = encode(&chain.leaf);
    let attribution = chain.leaf.attribution(&chain.attribution_key).unwrap();
    for secret in [&attribution.signer.0[..], &attribution.signature.0, &chain.client_key.verifying_key().0] {
        assert!(!encoded.windows(secret.len()).any(|window| window == secret));
    }
}

#[test]
fn fingerprints_and_ids_are_shown_in_hexadecimal() {
    let fingerprint = Fingerprint([0xab; 32]);
    assert_eq!(fingerprint.to_string(), "ab".repeat(32));
    assert_eq!(format!("{:?}", KeyId([1; 8])), "KeyId(0101010101010101)");
}
