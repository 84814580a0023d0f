//! Tokens of the null provider: see [`crate::crypto::null`].

use super::token::{BlindedToken, MAX_BATCH, TokenError, TokenResponse};
use crate::{codec::List, crypto::null};

/// A blinded token.
pub(super) fn blinded(input: &[u8]) -> BlindedToken {
    BlindedToken(null::hash("null blinded token", &[input]))
}

/// Evaluates blinded tokens with the key of this public half.
pub(super) fn evaluate(public: &[u8; 32], blinded: &[BlindedToken]) -> Result<TokenResponse, TokenError> {
    if blinded.is_empty() || blinded.len() > MAX_BATCH {
        return Err(TokenError::BatchSize);
    }
    let evaluated: Vec<[u8; 32]> =
        blinded.iter().map(|token| null::hash("null evaluated token", &[public, &token.0])).collect();
    let proof = proof(public, &evaluated);
    Ok(TokenResponse { evaluated: List::new(evaluated).map_err(|_| TokenError::BatchSize)?, proof })
}

/// The outputs for `inputs`, once proof and elements are checked.
pub(super) fn finalize(
    public: &[u8; 32],
    inputs: &[Vec<u8>],
    response: &TokenResponse,
) -> Result<Vec<[u8; 64]>, TokenError> {
    let expected: Vec<BlindedToken> = inputs.iter().map(|input| blinded(input)).collect();
    if evaluate(public, &expected)? == *response {
        Ok(inputs.iter().map(|input| output(public, input)).collect())
    } else {
        Err(TokenError::InvalidProof)
    }
}

/// The output of a token.
pub(super) fn output(public: &[u8; 32], input: &[u8]) -> [u8; 64] {
    null::long_hash("null token", &[public, input])
}

fn proof(public: &[u8; 32], evaluated: &[[u8; 32]]) -> [u8; 64] {
    null::long_hash("null proof", &[public, evaluated.as_flattened()])
}
