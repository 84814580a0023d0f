//! PROTOCOL.md §12 — the null provider refuses what real cryptography refuses.

use openmls_traits::{
    crypto::OpenMlsCrypto,
    types::{HpkeAeadType, HpkeConfig, HpkeKdfType, HpkeKemType, SignatureScheme},
};

use crate::{
    crypto::{
        aead::{DecryptionError, EncryptionError},
        hpke::{HpkePrivateKey, HpkePublicKey},
        labels::Label,
        null::NullCryptography,
        provider::MlsCrypto,
        sign::{InvalidSignature, SigningKey},
        tokens::{TokenError, TokenIssuerKey, TokenRequest, TokenScope},
    },
    rng::Random,
    time::{DAY, ExpirationData, Timestamp},
};

#[test]
#[expect(clippy::disallowed_methods, reason = "the provider is switched on for one thread")]
fn it_is_on_for_as_long_as_its_guard_lives_and_for_one_thread() {
    let real = SigningKey::from_bytes(&[1; 32]).verifying_key();
    let guard = NullCryptography::switch_on();
    let null = SigningKey::from_bytes(&[1; 32]).verifying_key();
    assert_ne!(real, null);
    let inner = NullCryptography::switch_on();
    drop(inner);
    assert_eq!(SigningKey::from_bytes(&[1; 32]).verifying_key(), null);
    let elsewhere = std::thread::spawn(|| SigningKey::from_bytes(&[1; 32]).verifying_key()).join();
    assert_eq!(elsewhere.unwrap(), real);
    drop(guard);
    assert_eq!(SigningKey::from_bytes(&[1; 32]).verifying_key(), real);
}

#[test]
fn signatures_of_others_and_over_other_bytes_are_refused() {
    let _null = NullCryptography::switch_on();
    let (key, other) = (SigningKey::from_bytes(&[1; 32]), SigningKey::from_bytes(&[2; 32]));
    let signature: [u8; 64] = key.sign_mls(b"message").try_into().unwrap();
    assert_eq!(key.verifying_key().verify_bytes(b"message", &signature), Ok(()));
    assert_eq!(key.verifying_key().verify_bytes(b"massage", &signature), Err(InvalidSignature));
    assert_eq!(other.verifying_key().verify_bytes(b"message", &signature), Err(InvalidSignature));
    for position in 0..64 {
        let mut changed = signature;
        changed[position] ^= 1;
        assert_eq!(key.verifying_key().verify_bytes(b"message", &changed), Err(InvalidSignature));
    }
    let mls = MlsCrypto::new([3; 32]);
    let public = key.verifying_key().0;
    assert!(mls.verify_signature(SignatureScheme::ED25519, b"message", &public, &signature).is_ok());
    assert!(mls.verify_signature(SignatureScheme::ED25519, b"massage", &public, &signature).is_err());
}

#[test]
#[expect(clippy::disallowed_methods, reason = "MLS encrypts on threads of its own")]
fn what_is_sealed_opens_for_its_owner_and_use_alone() {
    let _null = NullCryptography::switch_on();
    let mut random = Random::from_seed([4; 32]);
    let (owner, other) = (HpkePrivateKey::generate(&mut random), HpkePrivateKey::generate(&mut random));
    let sealed = owner.public_key().seal(&mut random, Label::SEAL_CONNECTION, b"name", b"plain").unwrap();
    let open =
        |key: &HpkePrivateKey, label, name: &[u8]| key.open(label, name, &sealed).map(|plain| plain.to_vec());
    assert_eq!(open(&owner, Label::SEAL_CONNECTION, b"name"), Ok(b"plain".to_vec()));
    assert_eq!(open(&other, Label::SEAL_CONNECTION, b"name"), Err(DecryptionError));
    assert_eq!(open(&owner, Label::SEAL_QUEUE_CONFIG, b"name"), Err(DecryptionError));
    assert_eq!(open(&owner, Label::SEAL_CONNECTION, b"game"), Err(DecryptionError));
    let refused = HpkePublicKey([0; 32]).seal(&mut random, Label::SEAL_CONNECTION, b"", b"");
    assert_eq!(refused, Err(EncryptionError::InvalidPublicKey));

    let suite = || HpkeConfig(HpkeKemType::DhKem25519, HpkeKdfType::HkdfSha256, HpkeAeadType::AesGcm128);
    let mls = MlsCrypto::new([5; 32]);
    let keys = mls.derive_hpke_keypair(suite(), b"input key material").unwrap();
    let sealed = mls.hpke_seal(suite(), &keys.public, b"info", b"data", b"plain").unwrap();
    // On any thread: MLS encrypts in parallel.
    let opened = std::thread::scope(|scope| {
        scope.spawn(|| mls.hpke_open(suite(), &sealed, &keys.private, b"info", b"data")).join().unwrap()
    });
    assert_eq!(opened.unwrap(), b"plain");
    assert!(mls.hpke_open(suite(), &sealed, &keys.private, b"other", b"data").is_err());
    let (encapsulated, secret) =
        mls.hpke_setup_sender_and_export(suite(), &keys.public, b"info", b"context", 40).unwrap();
    let same = mls
        .hpke_setup_receiver_and_export(suite(), &encapsulated, &keys.private, b"info", b"context", 40)
        .unwrap();
    assert_eq!(secret.to_vec(), same.to_vec());
}

#[test]
fn tokens_are_issued_by_their_issuer_alone() {
    let _null = NullCryptography::switch_on();
    let mut random = Random::from_seed([6; 32]);
    let validity = ExpirationData::starting(Timestamp::from_milliseconds(1), DAY);
    let [issuer, other] =
        [1, 2].map(|period| TokenIssuerKey::derive(&[7; 32], TokenScope::Local, period).unwrap());
    let (request, blinded) = TokenRequest::blind(&mut random, issuer.public_key(validity), 3).unwrap();
    let foreign = other.issue(&mut random, &blinded).unwrap();
    assert_eq!(request.clone().finish(&foreign).unwrap_err(), TokenError::InvalidProof);
    let mut response = issuer.issue(&mut random, &blinded).unwrap();
    let tokens = request.clone().finish(&response).unwrap();
    for token in &tokens {
        assert_eq!(issuer.verify(token), Ok(()));
        assert_eq!(other.verify(token), Err(TokenError::InvalidToken));
        let mut changed = token.clone();
        changed.nonce[0] ^= 1;
        assert_eq!(issuer.verify(&changed), Err(TokenError::InvalidToken));
    }
    response.proof[0] ^= 1;
    assert_eq!(request.finish(&response).unwrap_err(), TokenError::InvalidProof);
    assert_eq!(issuer.issue(&mut random, &[]).unwrap_err(), TokenError::BatchSize);
}

#[cfg(feature = "opaque")]
#[test]
fn a_login_needs_the_password_of_the_registration() {
    use crate::crypto::opaque::{
        ClientLogin, ClientRegistration, OpaqueError, OpaqueServer, PasswordHashing,
    };

    let _null = NullCryptography::switch_on();
    let mut random = Random::from_seed([8; 32]);
    let (server, hashing) = (OpaqueServer::from_seed(&[9; 32]), PasswordHashing::CHEAP);
    let (registration, request) = ClientRegistration::start(&mut random, b"password").unwrap();
    let registration = ClientRegistration::from_bytes(&registration.to_bytes()).unwrap();
    let response = server.registration_start(b"user", &request).unwrap();
    let upload = registration.finish(&mut random, b"password", &response, hashing).unwrap();
    let file = server.registration_finish(&upload).unwrap();
    for (password, file, expected) in [
        (b"password".as_slice(), Some(file.as_slice()), true),
        (b"passw0rd", Some(&file), false),
        (b"password", None, false),
    ] {
        let (login, request) = ClientLogin::start(&mut random, password).unwrap();
        let (state, response) = server.login_start(&mut random, b"user", file, &request).unwrap();
        let (message, key) = login.finish(&mut random, password, &response, hashing).unwrap();
        match server.login_finish(&state, &message) {
            Ok(shared) => assert!(expected && shared == key),
            Err(error) => assert!(!expected && error == OpaqueError::InvalidLogin),
        }
    }
    assert!(matches!(server.registration_start(b"user", b"short"), Err(OpaqueError::InvalidMessage)));
}
