//! The cryptographic floor: the cost of the primitives that an operation needs, measured in the same run.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use phoenix_core::{
    crypto::{
        aead::EarKey,
        hpke::HpkePrivateKey,
        labels::Label,
        opaque::{ClientRegistration, OpaqueServer, PasswordHashing},
        ratchet::RatchetSecret,
        sign::SigningKey,
        tokens::{TokenIssuerKey, TokenRequest, TokenScope},
    },
    rng::Random,
    time::{DAY, ExpirationData, Timestamp},
};

/// The primitives that operations need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Primitive {
    /// Creating an Ed25519 signature.
    Sign,
    /// Verifying an Ed25519 signature.
    Verify,
    /// Verifying a token.
    Redeem,
    /// Issuing a token, in a batch of a hundred.
    Issue,
    /// Encrypting or decrypting 32 KiB, key derivation included.
    Record,
    /// Encrypting or decrypting 1 KiB, key derivation included.
    Row,
    /// A step of a ratchet, and encrypting 1 KiB under its key.
    Entry,
    /// Sealing 200 bytes to a public key.
    Seal,
    /// Opening 200 bytes with a private key.
    Open,
    /// The server's part of an OPAQUE registration.
    Opaque,
}

/// The measured cost of each primitive.
pub struct Costs(Vec<(Primitive, Duration)>);

impl Costs {
    /// Measures each: the median of many short runs.
    pub fn measure() -> Self {
        let mut random = Random::from_seed([3; 32]);
        let now = Timestamp::from_milliseconds(1_800_000_000_000);
        let key = SigningKey::generate(&mut random);
        let (public, message) = (key.verifying_key(), [9; 200]);
        let signature: [u8; 64] = key.sign_mls(&message).try_into().expect("64 bytes");
        let issuer = TokenIssuerKey::derive(&[1; 32], TokenScope::Local, 1).expect("a key");
        let published = issuer.public_key(ExpirationData::starting(now, DAY));
        let (request, blinded) = TokenRequest::blind(&mut random, published, 100).expect("blinded");
        let response = issuer.issue(&mut random, &blinded).expect("issued");
        let token = request.finish(&response).expect("tokens").remove(0);
        let ear = EarKey::random(&mut random);
        let (large, small) = (vec![1; 32 << 10], vec![1; 1 << 10]);
        let hpke = HpkePrivateKey::generate(&mut random);
        let sealed =
            hpke.public_key().seal(&mut random, Label::SEAL_QUEUE_CONFIG, b"", &message).expect("sealed");
        let ratchet = RatchetSecret::random(&mut random);
        let opaque = OpaqueServer::from_seed(&[5; 32]);
        let (registration, first) = ClientRegistration::start(&mut random, b"password").expect("started");
        let answer = opaque.registration_start(b"user", &first).expect("answered");
        let upload = registration.finish(&mut random, b"password", &answer, PasswordHashing::CHEAP);
        let upload = upload.expect("finished");
        let mut sealing = Random::from_seed([4; 32]);
        let mut issuing = Random::from_seed([5; 32]);
        Self(vec![
            (Primitive::Sign, cost(|| drop(black_box(key.sign_mls(&message))))),
            (Primitive::Verify, cost(|| public.verify_bytes(&message, &signature).expect("valid"))),
            (Primitive::Redeem, cost(|| issuer.verify(&token).expect("valid"))),
            (Primitive::Issue, cost(|| drop(black_box(issuer.issue(&mut issuing, &blinded)))) / 100),
            (Primitive::Record, cost(|| drop(black_box(ear.seal(&mut sealing, b"name", &large))))),
            (Primitive::Row, cost(|| drop(black_box(ear.seal(&mut random, b"name", &small))))),
            (Primitive::Entry, {
                let mut random = Random::from_seed([6; 32]);
                cost(|| drop(black_box(ratchet.step().1.seal(&mut random, b"name", &small))))
            }),
            (Primitive::Seal, {
                let (mut random, public) = (Random::from_seed([6; 32]), hpke.public_key());
                cost(|| drop(black_box(public.seal(&mut random, Label::SEAL_QUEUE_CONFIG, b"", &message))))
            }),
            (Primitive::Open, cost(|| drop(black_box(hpke.open(Label::SEAL_QUEUE_CONFIG, b"", &sealed))))),
            (Primitive::Opaque, {
                cost(|| {
                    drop(black_box(opaque.registration_start(b"user", &first)));
                    drop(black_box(opaque.registration_finish(&upload)));
                })
            }),
        ])
    }

    /// The cost of several primitives together.
    pub fn floor(&self, counts: &[(Primitive, u32)]) -> Duration {
        let cost = |primitive| self.0.iter().find(|(known, _)| *known == primitive).map(|(_, cost)| *cost);
        counts.iter().map(|(primitive, count)| cost(*primitive).unwrap_or_default() * *count).sum()
    }

    /// Each primitive with its cost.
    pub fn iter(&self) -> impl Iterator<Item = &(Primitive, Duration)> {
        self.0.iter()
    }
}

fn cost(mut run: impl FnMut()) -> Duration {
    const RUNS: u32 = 20;
    let mut samples: Vec<Duration> = (0..15)
        .map(|_| {
            let begun = Instant::now();
            (0..RUNS).for_each(|_| run());
            begun.elapsed() / RUNS
        })
        .collect();
    samples.sort_unstable();
    samples[samples.len() / 2]
}
