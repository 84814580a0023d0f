//! PROTOCOL.md §3 — tests of the cryptography that MLS runs on.

use std::sync::Arc;

use openmls_traits::{
    crypto::OpenMlsCrypto,
    types::{AeadType, Ciphersuite, HashType, HpkeConfig, SignatureScheme},
};

use crate::crypto::{hash_memo::HashMemo, provider::MlsCrypto};

const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;

fn config() -> HpkeConfig {
    SUITE.hpke_config()
}

#[test]
fn sealing_opens_and_depends_on_every_input_and_the_seed() {
    let crypto = MlsCrypto::new([1; 32]);
    let pair = crypto.derive_hpke_keypair(config(), &[3; 32]).unwrap();
    let other = crypto.derive_hpke_keypair(config(), &[4; 32]).unwrap();
    let seal = |crypto: &MlsCrypto, key: &[u8], info: &[u8], aad: &[u8], text: &[u8]| {
        crypto.hpke_seal(config(), key, info, aad, text).unwrap()
    };
    let sealed = seal(&crypto, &pair.public, b"info", b"aad", b"text");
    let opened = crypto.hpke_open(config(), &sealed, &pair.private, b"info", b"aad").unwrap();
    assert_eq!(opened, b"text");
    assert!(crypto.hpke_open(config(), &sealed, &pair.private, b"info", b"other").is_err());

    let again = seal(&MlsCrypto::new([1; 32]), &pair.public, b"info", b"aad", b"text");
    assert_eq!(again, sealed);
    let different = [
        seal(&MlsCrypto::new([2; 32]), &pair.public, b"info", b"aad", b"text"),
        seal(&crypto, &other.public, b"info", b"aad", b"text"),
        seal(&crypto, &pair.public, b"infoa", b"ad", b"text"),
        seal(&crypto, &pair.public, b"info", b"aadt", b"ext"),
        seal(&crypto, &pair.public, b"info", b"aad", b"texts"),
    ];
    for other in different {
        assert_ne!(other.kem_output, sealed.kem_output, "no ephemeral key is used twice");
    }
}

#[test]
fn exports_agree_and_are_fresh() {
    let crypto = MlsCrypto::new([1; 32]);
    let pair = crypto.derive_hpke_keypair(config(), &[3; 32]).unwrap();
    let export = || crypto.hpke_setup_sender_and_export(config(), &pair.public, b"i", b"c", 32).unwrap();
    let (encapped, secret) = export();
    let received =
        crypto.hpke_setup_receiver_and_export(config(), &encapped, &pair.private, b"i", b"c", 32).unwrap();
    assert_eq!(&*received, &*secret);
    assert_ne!(export().0, encapped);
}

#[test]
fn the_memo_changes_no_hash() {
    let memo = Arc::new(HashMemo::new([9; 32], 64));
    let (plain, remembering) = (MlsCrypto::new([1; 32]), MlsCrypto::with_memo([1; 32], memo.clone()));
    for length in (0..200).chain(0..200) {
        let data = vec![7; length];
        assert_eq!(
            plain.hash(HashType::Sha2_256, &data).unwrap(),
            remembering.hash(HashType::Sha2_256, &data).unwrap()
        );
    }
    assert!(memo.entries() <= 64);
}

#[test]
fn other_suites_are_refused() {
    let crypto = MlsCrypto::new([1; 32]);
    let other = Ciphersuite::MLS_256_DHKEMX448_CHACHA20POLY1305_SHA512_Ed448;
    assert!(crypto.supports(SUITE).is_ok());
    assert!(crypto.supports(other).is_err());
    assert!(crypto.hash(other.hash_algorithm(), b"").is_err());
    assert!(crypto.hpke_seal(other.hpke_config(), &[9; 32], b"", b"", b"").is_err());
    assert!(crypto.aead_encrypt(other.aead_algorithm(), &[0; 32], b"", &[0; 12], b"").is_err());
    assert!(crypto.signature_key_gen(other.signature_algorithm()).is_err());
}

#[test]
fn signatures_and_encryption_round_trip() {
    let crypto = MlsCrypto::new([1; 32]);
    let (secret, public) = crypto.signature_key_gen(SignatureScheme::ED25519).unwrap();
    let signature = crypto.sign(SignatureScheme::ED25519, b"data", &secret).unwrap();
    assert!(crypto.verify_signature(SignatureScheme::ED25519, b"data", &public, &signature).is_ok());
    assert!(crypto.verify_signature(SignatureScheme::ED25519, b"date", &public, &signature).is_err());
    assert!(crypto.verify_signature(SignatureScheme::ED25519, b"data", &public[1..], &signature).is_err());

    let algorithm = AeadType::Aes128Gcm;
    let sealed = crypto.aead_encrypt(algorithm, &[5; 16], b"text", &[6; 12], b"aad").unwrap();
    assert_eq!(crypto.aead_decrypt(algorithm, &[5; 16], &sealed, &[6; 12], b"aad").unwrap(), b"text");
    assert!(crypto.aead_decrypt(algorithm, &[5; 16], &sealed, &[6; 12], b"").is_err());
    assert!(crypto.aead_encrypt(algorithm, &[5; 16], b"text", &[6; 11], b"aad").is_err());
}
