//! PROTOCOL.md §3, Tokens — tests of tokens, and of their two sides with each other.

mod published_vectors;

use super::{
    BlindedToken, MAX_BATCH, Token, TokenError, TokenIssuerKey, TokenKeyId, TokenPublicKey, TokenRequest,
    TokenResponse, TokenScope,
};
use crate::{
    codec::{decode, encode},
    rng::Random,
    time::{DAY, ExpirationData, Timestamp},
};

fn issuer(scope: TokenScope, period: u64) -> (TokenIssuerKey, TokenPublicKey) {
    let key = TokenIssuerKey::derive(&[1; 32], scope, period).unwrap();
    let public = key.public_key(ExpirationData::starting(Timestamp::from_milliseconds(0), DAY));
    (key, public)
}

#[test]
fn tokens_are_redeemed_under_their_own_key_only() {
    let mut random = Random::from_seed([2; 32]);
    let (key, public) = issuer(TokenScope::Local, 7);
    for count in [1, 3, MAX_BATCH] {
        let (request, blinded) = TokenRequest::blind(&mut random, public, count).unwrap();
        let response = key.issue(&mut random, &blinded).unwrap();
        let request: TokenRequest = decode(&encode(&request)).unwrap();
        let tokens = request.finish(&decode(&encode(&response)).unwrap()).unwrap();
        assert_eq!(tokens.len(), count);
        for token in tokens.iter().take(3) {
            let token: Token = decode(&encode(token)).unwrap();
            assert_eq!(key.verify(&token), Ok(()));
            for (scope, period) in [(TokenScope::Local, 8), (TokenScope::Federated, 7)] {
                let (other, _) = issuer(scope, period);
                assert_eq!(other.verify(&token), Err(TokenError::InvalidToken));
                let renamed = Token { key_id: other.id(), ..token.clone() };
                assert_eq!(other.verify(&renamed), Err(TokenError::InvalidToken));
            }
        }
    }
}

#[test]
fn every_node_derives_the_same_key() {
    let (key, public) = issuer(TokenScope::Federated, 3);
    assert_eq!(issuer(TokenScope::Federated, 3).1, public);
    assert_ne!(issuer(TokenScope::Federated, 4).0.id(), key.id());
    let other = TokenIssuerKey::derive(&[9; 32], TokenScope::Federated, 3).unwrap();
    assert_ne!(other.id(), key.id());
}

#[test]
fn a_token_has_one_nullifier() {
    let mut random = Random::from_seed([3; 32]);
    let (key, public) = issuer(TokenScope::Local, 1);
    let (request, blinded) = TokenRequest::blind(&mut random, public, 2).unwrap();
    let tokens = request.finish(&key.issue(&mut random, &blinded).unwrap()).unwrap();
    let mut forged = tokens[0].clone();
    forged.output[9] ^= 1;
    assert_eq!(key.verify(&forged), Err(TokenError::InvalidToken));
    assert_eq!(forged.nullifier(), tokens[0].nullifier());
    assert_ne!(tokens[0].nullifier(), tokens[1].nullifier());
    let renamed = Token { nonce: tokens[1].nonce, ..tokens[0].clone() };
    assert_eq!(key.verify(&renamed), Err(TokenError::InvalidToken));
    assert!(!format!("{:?}", tokens[0]).contains("output"));
}

#[test]
fn a_request_sent_twice_makes_the_same_tokens() {
    let mut random = Random::from_seed([4; 32]);
    let (key, public) = issuer(TokenScope::Local, 1);
    let (request, blinded) = TokenRequest::blind(&mut random, public, 2).unwrap();
    let first = key.issue(&mut random, &blinded).unwrap();
    let second = key.issue(&mut random, &blinded).unwrap();
    assert_ne!(first.proof, second.proof);
    assert_eq!(request.clone().finish(&first), request.finish(&second));
}

#[test]
fn answers_that_are_not_proven_are_refused() {
    let mut random = Random::from_seed([5; 32]);
    let (key, public) = issuer(TokenScope::Local, 1);
    let (request, blinded) = TokenRequest::blind(&mut random, public, 3).unwrap();
    let response = key.issue(&mut random, &blinded).unwrap();
    let finish = |response: &TokenResponse| request.clone().finish(response);

    let (marking, _) = issuer(TokenScope::Local, 2);
    let marked = marking.issue(&mut random, &blinded).unwrap();
    assert_eq!(finish(&marked), Err(TokenError::InvalidProof));
    for place in [0, 33] {
        let mut changed = response.clone();
        changed.proof[place] ^= 1;
        assert_eq!(finish(&changed), Err(TokenError::InvalidProof));
    }
    let mut swapped = response.clone();
    swapped.evaluated.swap(0, 1);
    assert_eq!(finish(&swapped), Err(TokenError::InvalidProof));
    let mut one_marked = response.clone();
    one_marked.evaluated[2] = marked.evaluated[2];
    assert_eq!(finish(&one_marked), Err(TokenError::InvalidProof));
    let mut short = response.clone();
    short.evaluated.remove(2);
    assert_eq!(finish(&short), Err(TokenError::BatchSize));
    assert!(finish(&response).is_ok());
}

#[test]
fn batches_and_keys_are_checked_first() {
    let mut random = Random::from_seed([6; 32]);
    let (key, public) = issuer(TokenScope::Local, 1);
    let (_, blinded) = TokenRequest::blind(&mut random, public, 1).unwrap();
    let issue = |random: &mut Random, blinded: &[BlindedToken]| key.issue(random, blinded).unwrap_err();
    assert_eq!(issue(&mut random, &[]), TokenError::BatchSize);
    assert_eq!(issue(&mut random, &vec![blinded[0]; MAX_BATCH + 1]), TokenError::BatchSize);
    for invalid in [[0; 32], [0xff; 32]] {
        let batch = [blinded[0], BlindedToken(invalid)];
        assert_eq!(issue(&mut random, &batch), TokenError::InvalidBlindedToken);
    }
    for count in [0, MAX_BATCH + 1] {
        let refused = TokenRequest::blind(&mut random, public, count);
        assert_eq!(refused.unwrap_err(), TokenError::BatchSize);
    }
    let renamed = TokenPublicKey { id: TokenKeyId([0; 8]), ..public };
    let refused = TokenRequest::blind(&mut random, renamed, 1);
    assert_eq!(refused.unwrap_err(), TokenError::InvalidKey);
    let identity = TokenPublicKey { id: TokenKeyId::of(public.scope, &[0; 32]), key: [0; 32], ..public };
    let refused = TokenRequest::blind(&mut random, identity, 1);
    assert_eq!(refused.unwrap_err(), TokenError::InvalidKey);
}
