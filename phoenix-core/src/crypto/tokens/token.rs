//! PROTOCOL.md §6, Tokens — Privacy Pass batched tokens as they travel.

use std::fmt;

use subtle::ConstantTimeEq;
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    codec::List,
    crypto::{
        kdf::{Hash, hash},
        labels::Label,
    },
    identifiers::HexId,
    time::ExpirationData,
};

/// How many tokens are issued at once at most.
pub const MAX_BATCH: usize = 128;

/// Why tokens cannot be made or are not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// No tokens at all, or more than [`MAX_BATCH`].
    #[error("the batch has no tokens or too many")]
    BatchSize,
    /// A blinded token that is not a valid group element.
    #[error("a blinded token is not valid")]
    InvalidBlindedToken,
    /// The key is not a valid group element, or does not belong to its id.
    #[error("the token key is not valid")]
    InvalidKey,
    /// The issuer's answer does not belong to this request and key.
    #[error("the issuer's proof is not valid")]
    InvalidProof,
    /// The token was not issued under this key.
    #[error("the token is not valid")]
    InvalidToken,
}

/// What a token is good for. Each scope has keys of its own.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, TlsSize, TlsSerialize, TlsDeserializeBytes,
)]
#[repr(u8)]
pub enum TokenScope {
    /// For clients of the issuing homeserver.
    Local = 1,
    /// For clients of other homeservers.
    Federated = 2,
}

/// The name of a token key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct TokenKeyId(pub [u8; 8]);

impl TokenKeyId {
    /// The name of the key `key` for `scope`: it follows from the key, so no issuer can use one name for two.
    pub fn of(scope: TokenScope, key: &[u8; 32]) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = hash(Label::TOKEN_KEY_ID, &[&[scope as u8], key]);
        Self([a, b, c, d, e, f, g, h])
    }
}

impl fmt::Debug for TokenKeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TokenKeyId({})", HexId(&self.0))
    }
}

/// A published key of a token issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct TokenPublicKey {
    /// The key's name.
    pub id: TokenKeyId,
    /// What its tokens are good for.
    pub scope: TokenScope,
    /// The key itself.
    pub key: [u8; 32],
    /// When its tokens are redeemed.
    pub validity: ExpirationData,
}

/// A blinded token: what the issuer sees.
#[derive(Clone, Copy, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct BlindedToken(pub [u8; 32]);

impl fmt::Debug for BlindedToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "BlindedToken({}…)", HexId(&self.0[..4]))
    }
}

/// The issuer's answer.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct TokenResponse {
    /// The evaluated tokens, in the order of the request.
    pub evaluated: List<[u8; 32], MAX_BATCH>,
    /// The proof that all were evaluated with the published key.
    pub proof: [u8; 64],
}

/// A token: to be spent once.
#[derive(Clone, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct Token {
    /// The key it was issued under.
    pub key_id: TokenKeyId,
    /// What makes it unique.
    pub nonce: [u8; 32],
    /// What makes it genuine.
    pub output: [u8; 64],
}

impl Token {
    /// What is recorded when the token is spent. It follows from what the output is computed over, so there
    /// is one for each token that verifies.
    pub fn nullifier(&self) -> Hash {
        hash(Label::TOKEN_NULLIFIER, &[&self.key_id.0, &self.nonce])
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        (self.key_id, self.nonce) == (other.key_id, other.nonce) && self.output.ct_eq(&other.output).into()
    }
}

impl Eq for Token {}

/// The key only: a token is as good as cash.
impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Token({:?})", self.key_id)
    }
}

/// What the function is computed over. Label and key id have fixed lengths.
pub(super) fn token_input(key_id: TokenKeyId, nonce: &[u8; 32]) -> Vec<u8> {
    [Label::TOKEN_INPUT.as_str().as_bytes(), &key_id.0, nonce].concat()
}
