//! PROTOCOL.md §3, Tokens — Privacy Pass batched tokens: the right to one request, spent without a name.
//!
//! A token is a nonce and the output of a verifiable oblivious pseudorandom function over it (RFC 9497,
//! ristretto255-SHA512). Read [`Token`] first, then the client's side ([`TokenRequest`]), then the issuer's
//! ([`TokenIssuerKey`]).
//!
//! What holds: the issuer sees blinded points only, so it cannot recognise a token when it is spent; the
//! proof shows the client that the one published key was used, so the issuer cannot mark anyone's tokens; and
//! a token that verifies has one [nullifier](Token::nullifier), so it is spent once.

mod issuer;
#[cfg(feature = "null-cryptography")]
mod null;
mod request;
#[cfg(test)]
mod tests;
mod token;

pub use issuer::TokenIssuerKey;
pub use request::TokenRequest;
pub use token::{
    BlindedToken, MAX_BATCH, Token, TokenError, TokenKeyId, TokenPublicKey, TokenResponse, TokenScope,
};
