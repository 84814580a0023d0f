//! PROTOCOL.md §2 — every type here has one encoding, and no bytes make a decoder fail otherwise than by
//! refusal.

use std::fmt::Debug;

use proptest::prelude::*;

use super::*;
use crate::{codec::decode, crypto::hpke::HpkePublicKey};

fn round_trips<T: Codec + PartialEq + Debug>(value: &T) {
    let encoded = encode(value);
    assert!(!encoded.is_empty());
    assert_eq!(decode::<T>(&encoded).as_ref(), Ok(value));
    assert!(decode::<T>(&encoded[..encoded.len() - 1]).is_err());
    assert!(decode::<T>(&[encoded, vec![0]].concat()).is_err());
}

fn refused_or_round_trips<T: Codec>(input: &[u8]) {
    if let Ok(value) = decode::<T>(input) {
        assert_eq!(encode(&value), input);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn all_types_round_trip(seed: [u8; 32], times: [u64; 3], number: u64, key: [u8; 32]) {
        let [first, second, third] = times.map(Timestamp::from_milliseconds);
        let expiration = ExpirationData { not_before: first, not_after: second };
        let mut chain = TestChain::seeded(seed, "example.com");
        round_trips(&Suite::Ed25519Sha256Aes128GcmX25519);
        round_trips(&Fingerprint(key));
        round_trips(&AsCredential::create(&chain.root_key, chain.domain.clone(), expiration));
        round_trips(&chain.intermediate);
        round_trips(&ClientCredentialRequest::create(
            &chain.client_key, chain.client.client_id().clone(), expiration,
        ));
        round_trips(&chain.client);
        round_trips(&chain.leaf);
        round_trips(&chain.leaf.attribution(&chain.attribution_key).unwrap());
        round_trips(&MemberCredential {
            client_credential: chain.client.clone(), attribution_key: chain.attribution_key.clone(),
        });
        let content = RevocationContent {
            fingerprint: Fingerprint(key), revoked_at: first, expires: second, signer: Fingerprint(seed),
        };
        let revocation = Revocation::create(&chain.root_key, content);
        round_trips(&revocation);
        round_trips(&revocations(number, vec![revocation.clone()]));
        let (mut content, set_key, _) = chain.second_authority();
        content.revocations = revocations(number, vec![revocation]);
        (content.issued_at, content.valid_until) = (first, third);
        round_trips(&AsCredentialSet::create(&set_key, content));

        let published = PublishedKey::new(set_key.verifying_key(), expiration);
        let sealing = PublishedHpkeKey::new(HpkePublicKey(key), expiration);
        round_trips(&published.id);
        round_trips(&published);
        round_trips(&sealing);
        let content = QsKeySetContent {
            domain: chain.domain.clone(),
            keys: List::new(vec![published.clone()]).unwrap(),
            config_keys: List::new(vec![sealing.clone()]).unwrap(),
            stream_keys: List::new(vec![sealing]).unwrap(),
            issued_at: first,
            valid_until: third,
        };
        round_trips(&QsKeySet { signature: set_key.sign(&content), content });
        let keys = List::new(vec![published]).unwrap();
        let content = DsKeySetContent { domain: chain.domain, keys, issued_at: first, valid_until: third };
        round_trips(&DsKeySet { signature: set_key.sign(&content), content });
    }

    #[test]
    fn changed_encodings_are_refused_or_are_other_values(position: prop::sample::Index, flip in 1u8..) {
        let chain = TestChain::new(40);
        let change = |mut encoded: Vec<u8>| {
            let position = position.index(encoded.len());
            encoded[position] ^= flip;
            encoded
        };
        let set = change(encode(chain.authorities().set()));
        refused_or_round_trips::<AsCredentialSet>(&set);
        if let Ok(set) = decode::<AsCredentialSet>(&set) {
            prop_assert!(validate_as_credential_set(&set, &chain.domain, NOW, None).is_err());
        }
        let client = change(encode(&chain.client));
        if let Ok(client) = decode::<ClientCredential>(&client) {
            prop_assert!(validate_client_credential(&client, &chain.authorities(), NOW).is_err());
        }
        let leaf = change(encode(&chain.leaf));
        if let Ok(leaf) = decode::<LeafCredential>(&leaf) {
            let client = chain.validated_client();
            prop_assert!(validate_leaf_credential(&leaf, &chain.attribution_key, &client, NOW).is_err());
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused_or_round_trip(input in prop::collection::vec(any::<u8>(), 0..400)) {
        refused_or_round_trips::<AsCredential>(&input);
        refused_or_round_trips::<AsIntermediateCredential>(&input);
        refused_or_round_trips::<ClientCredential>(&input);
        refused_or_round_trips::<LeafCredential>(&input);
        refused_or_round_trips::<RevocationList>(&input);
        refused_or_round_trips::<AsCredentialSet>(&input);
        refused_or_round_trips::<QsKeySet>(&input);
        refused_or_round_trips::<DsKeySet>(&input);
    }

    #[test]
    fn reasons_travel(byte: u8) {
        refused_or_round_trips::<ValidationError>(&[byte]);
        prop_assert_eq!(decode::<ValidationError>(&[byte]).is_ok(), (1..=15).contains(&byte));
    }
}

#[test]
fn a_suite_that_is_not_known_is_refused() {
    let mut encoded = encode(&TestChain::new(41).root);
    encoded[1] = 2;
    assert!(decode::<AsCredential>(&encoded).is_err());
}
