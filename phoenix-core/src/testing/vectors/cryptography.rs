//! PROTOCOL.md §3.3 to §3.6 — signatures, hashes, derived keys, encryption with a client's key, sealing.

use super::{NOW, Vector, check};
use crate::{
    codec::encode,
    credentials::{KeyId, Suite},
    crypto::{
        aead::EarKey,
        hpke::HpkePrivateKey,
        kdf::{derive, hash},
        labels::Label,
        sign::{SigningKey, VerifyingKey},
        tests::vectors::hex,
    },
    identifiers::{Domain, GroupId, GroupUuid, QsClientId, RequestId},
    rng::Random,
    wire::{
        envelope::{RequestEnvelope, Sender, Signer},
        queues::DequeueRange,
        queuing_service::{Dequeue, FriendshipToken},
    },
};

const DOMAIN: &str = "example.com";

/// A request as the specification shows it (§2.8).
fn signed_request(key: &SigningKey) -> Vector {
    let domain: Domain = DOMAIN.parse().unwrap();
    let sender = Sender::QsClient(QsClientId([2; 16]));
    let body = Dequeue { range: DequeueRange { first: 5, maximum: 100, generation: 0, last: None } };
    let signer = Signer { sender: &sender, key };
    let envelope = RequestEnvelope::to(domain, NOW, RequestId([7; 16]), &body).signed(signer).unwrap();
    assert_eq!(envelope.verify(&key.verifying_key()), Ok(()));
    let body_hash = hash(Label::REQUEST_BODY, &[&encode(&envelope.token), envelope.body.as_slice()]);
    Vector::new("request authentication, accepted")
        .bytes("private_key", key.to_bytes().as_slice())
        .encoded("public_key", &key.verifying_key())
        .encoded("sender", &sender)
        .encoded("body", &body)
        .bytes("body_hash", &body_hash)
        .bytes("signature", &envelope.authentication.as_ref().unwrap().signature.0)
        .encoded("request", &envelope)
}

/// A signature over `RequestAuth` with the content `"content"`, and whether it is accepted.
fn signature(name: &str, public: &str, signature: &str, accepted: bool) -> Vector {
    let label = Label::REQUEST_AUTH.as_str();
    let message = [&[label.len() as u8], label.as_bytes(), b"content"].concat();
    let key = VerifyingKey(hex(public).try_into().unwrap());
    let bytes = hex(signature).try_into().unwrap();
    assert_eq!(key.verify_bytes(&message, &bytes).is_ok(), accepted, "{name}");
    Vector::new(name)
        .bytes("message", &message)
        .encoded("public_key", &key)
        .bytes("signature", &bytes)
        .text("accepted", if accepted { "yes" } else { "no" })
}

#[test]
fn signatures() {
    let key = SigningKey::from_bytes(&[1; 32]);
    let public = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";
    let vectors = [
        signed_request(&key),
        signature(
            "signature, accepted",
            public,
            concat!(
                "e325df4467818ff318e12af4afe72b49baaa0ac484f0dc769be713bfabd2ea5a",
                "1b7fb41042c3da37d5fd7ce6abc8c84073d736a93052ac8e3659cfa31e775d0e"
            ),
            true,
        ),
        signature(
            "the same with the group's order added to S, refused",
            public,
            concat!(
                "e325df4467818ff318e12af4afe72b49baaa0ac484f0dc769be713bfabd2ea5a",
                "0853aa6d5c26ed8fab9a74898ac2a75573d736a93052ac8e3659cfa31e775d1e"
            ),
            false,
        ),
        signature(
            "R of small order: the equation holds, refused",
            public,
            concat!(
                "0100000000000000000000000000000000000000000000000000000000000000",
                "6aabf6511c039665e3a9b6449ec0c0631aabc18f51b23615cef95460e4a3f703"
            ),
            false,
        ),
        signature(
            "public key of small order: the equation holds for every message, refused",
            "0100000000000000000000000000000000000000000000000000000000000000",
            concat!(
                "5866666666666666666666666666666666666666666666666666666666666666",
                "0100000000000000000000000000000000000000000000000000000000000000"
            ),
            false,
        ),
    ];
    check("signatures.json", include_str!("../../../vectors/signatures.json"), &vectors);
}

#[test]
fn hashes() {
    let key = SigningKey::from_bytes(&[1; 32]).verifying_key();
    let id = KeyId::of(Suite::Ed25519Sha256Aes128GcmX25519, &key.0);
    let parts: [&[u8]; 2] = [b"one", b"three"];
    let token = FriendshipToken(EarKey::from_bytes([1; 32]));
    let domain: Domain = DOMAIN.parse().unwrap();
    let group = GroupId { uuid: GroupUuid([5; 16]), domain: domain.clone() };
    let context = encode(&(domain.clone(), group));
    let vectors = [
        Vector::new("hash of two parts")
            .text("label", Label::FINGERPRINT.as_str())
            .bytes("part_1", parts[0])
            .bytes("part_2", parts[1])
            .bytes("hash", &hash(Label::FINGERPRINT, &parts)),
        Vector::new("id of a published key")
            .text("label", Label::FINGERPRINT.as_str())
            .bytes("part_1", &[0, 1])
            .encoded("part_2", &key)
            .encoded("id", &id),
        Vector::new("hash of a friendship token")
            .text("label", Label::FRIENDSHIP_TOKEN.as_str())
            .encoded("part_1", &token)
            .bytes("hash", &token.hash()),
        Vector::new("key for add packages")
            .encoded("secret", &token)
            .text("label", Label::ADD_PACKAGES.as_str())
            .bytes("context", b"")
            .number("length", 32)
            .bytes("derived", derive::<32>(token.0.as_bytes(), Label::ADD_PACKAGES, b"").as_slice()),
        Vector::new("name of a group in a client's record")
            .bytes("secret", &[1; 32])
            .text("label", Label::GROUP_LIST.as_str())
            .bytes("context", &context)
            .number("length", 32)
            .bytes("derived", derive::<32>(&[1; 32], Label::GROUP_LIST, &context).as_slice()),
        Vector::new("name of a homeserver beside it")
            .bytes("secret", &[1; 32])
            .text("label", Label::PINNED_DOMAIN.as_str())
            .encoded("context", &domain)
            .number("length", 32)
            .bytes("derived", derive::<32>(&[1; 32], Label::PINNED_DOMAIN, &encode(&domain)).as_slice()),
    ];
    check("hashes.json", include_str!("../../../vectors/hashes.json"), &vectors);
}

#[test]
fn encryption() {
    let key = EarKey::from_bytes([1; 32]);
    let sealed = key.seal(&mut Random::from_seed([1; 32]), b"name", b"state").unwrap();
    assert_eq!(key.open(b"name", &sealed).unwrap().as_slice(), b"state");
    let private = HpkePrivateKey::from_bytes(&[8; 32]).unwrap();
    let public = private.public_key();
    // The library draws 32 bytes and derives the ephemeral key pair from them.
    let seed = [2; 32];
    let ephemeral: [u8; 32] = Random::from_seed(seed).array();
    let label = Label::SEAL_QUEUE_CONFIG;
    let to_owner = public.seal(&mut Random::from_seed(seed), label, b"name", b"state").unwrap();
    assert_eq!(private.open(label, b"name", &to_owner).unwrap().as_slice(), b"state");
    let vectors = [
        Vector::new("EarCiphertext")
            .encoded("key", &key)
            .bytes("associated_data", b"name")
            .bytes("plaintext", b"state")
            .bytes("salt", &sealed.salt)
            .encoded("sealed", &sealed),
        Vector::new("HpkeCiphertext")
            .bytes("private_key", private.to_bytes().as_slice())
            .encoded("public_key", &public)
            .text("info", label.as_str())
            .bytes("associated_data", b"name")
            .bytes("plaintext", b"state")
            .bytes("ephemeral_input", &ephemeral)
            .encoded("sealed", &to_owner),
    ];
    check("encryption.json", include_str!("../../../vectors/encryption.json"), &vectors);
}
