//! PROTOCOL.md §3.8 — tokens: an issuer's key, a batch of two, and what is redeemed.

use voprf_ng::{Group, Ristretto255, VoprfServer};

use super::{NOW, Vector, check};
use crate::{
    codec::encode,
    crypto::{
        kdf::derive,
        labels::Label,
        tokens::{TokenIssuerKey, TokenRequest, TokenScope},
    },
    rng::Random,
    time::{DAY, ExpirationData, Timestamp},
};

/// Returns the private key behind an issuer's public key: 32 bytes.
fn secret_key(seed: &[u8; 32], public: &[u8; 32]) -> Vec<u8> {
    let info = Label::TOKEN_ISSUER.as_str().as_bytes();
    let server = VoprfServer::<Ristretto255>::new_from_seed(seed, info).unwrap();
    assert_eq!(Ristretto255::serialize_elem(server.get_public_key()).as_slice(), public);
    server.serialize()[..32].to_vec()
}

#[test]
fn tokens() {
    /// The period of the time of all vectors.
    const PERIOD: u64 = 2976;
    const WEEK: u64 = 7 * 24 * 60 * 60 * 1000;
    let scope = TokenScope::Local;
    let token_seed = [1; 32];
    let issuer = TokenIssuerKey::derive(&token_seed, scope, PERIOD).unwrap();
    // It issues in its period, and is redeemed until the end of the next one.
    let not_before = Timestamp::from_milliseconds(PERIOD * WEEK);
    assert!(not_before <= NOW && NOW < not_before + 7 * DAY);
    let public = issuer.public_key(ExpirationData { not_before, not_after: not_before + 14 * DAY });
    let context = [encode(&scope), encode(&PERIOD)].concat();
    let seed = derive::<32>(&token_seed, Label::TOKEN_ISSUER, &context);

    let (request, blinded) = TokenRequest::blind(&mut Random::from_seed([2; 32]), public, 2).unwrap();
    let response = issuer.issue(&mut Random::from_seed([3; 32]), &blinded).unwrap();
    // Each pending token is stored as nonce, blind and blinded element, behind the key and a length.
    let stored = encode(&request);
    let pending = &stored[stored.len() - 2 * 96..];
    let tokens = request.finish(&response).unwrap();
    let mut vectors = vec![
        Vector::new("issuer's key")
            .bytes("token_seed", &token_seed)
            .encoded("scope", &scope)
            .number("period", PERIOD)
            .bytes("key_pair_seed", seed.as_slice())
            .bytes("private_key", &secret_key(&seed, &public.key))
            .encoded("public_key", &public),
        Vector::new("batch").encoded("response", &response).bytes("proof", &response.proof),
    ];
    for (number, token) in tokens.iter().enumerate() {
        assert_eq!(issuer.verify(token), Ok(()));
        let (nonce, state) = pending[number * 96..][..96].split_at(32);
        assert_eq!(nonce, token.nonce);
        assert_eq!(state[32..], blinded[number].0);
        let input = [Label::TOKEN_INPUT.as_str().as_bytes(), &token.key_id.0, nonce].concat();
        vectors.push(
            Vector::new("token")
                .bytes("nonce", nonce)
                .bytes("input", &input)
                .bytes("blind", &state[..32])
                .encoded("blinded", &blinded[number])
                .bytes("evaluated", response.evaluated.get(number).unwrap())
                .bytes("output", &token.output)
                .encoded("token", token)
                .bytes("nullifier", &token.nullifier()),
        );
    }
    check("tokens.json", include_str!("../../../vectors/tokens.json"), &vectors);
}
