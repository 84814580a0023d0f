//! PROTOCOL.md §3, Tokens — Privacy Pass batched tokens as they travel.

use std::fmt;

use subtle::ConstantTimeEq;
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    codec::List,
    crypto::{
        kdf::{Hash, hash},
        labels::Label,
    },
    hex::Hex,
    time::ExpirationData,
};

/// The most tokens that are issued at once.
pub const MAX_BATCH: usize = 128;

/// Why tokens cannot be made, or are not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub enum TokenError {
    /// The batch is empty or has more than [`MAX_BATCH`] tokens, or the answer has another number than the
    /// request.
    #[error("the batch has no tokens or too many")]
    BatchSize = 1,
    /// A blinded token is not a valid group element. The client is at fault.
    #[error("a blinded token is not valid")]
    InvalidBlindedToken = 2,
    /// The key is not a valid group element, or does not belong to its id.
    #[error("the token key is not valid")]
    InvalidKey = 3,
    /// The issuer did not evaluate this request with the published key. The issuer is at fault.
    #[error("the issuer's proof is not valid")]
    InvalidProof = 4,
    /// The token was not issued under this key.
    #[error("the token is not valid")]
    InvalidToken = 5,
}

/// Whose requests a token pays for. Each scope has keys of its own.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, TlsSize, TlsSerialize, TlsDeserializeBytes,
)]
#[repr(u8)]
pub enum TokenScope {
    /// Those of the issuing homeserver's own clients.
    Local = 1,
    /// Those of clients of other homeservers.
    Federated = 2,
}

/// Names a token key: the first 8 bytes of a hash of its scope and public half.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct TokenKeyId(pub [u8; 8]);

impl TokenKeyId {
    /// Returns the id of the public key `key` for `scope`. It follows from the key, so an issuer cannot use
    /// one id for two keys.
    pub fn of(scope: TokenScope, key: &[u8; 32]) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = hash(Label::TOKEN_KEY_ID, &[&[scope as u8], key]);
        Self([a, b, c, d, e, f, g, h])
    }
}

impl fmt::Debug for TokenKeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TokenKeyId({})", Hex(&self.0))
    }
}

/// A published key of a token issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct TokenPublicKey {
    /// [`TokenKeyId::of`] the key.
    pub id: TokenKeyId,
    /// Whose requests its tokens pay for.
    pub scope: TokenScope,
    /// The public key: a ristretto255 group element.
    pub key: [u8; 32],
    /// When its tokens are redeemed.
    pub validity: ExpirationData,
}

/// A blinded token, which is all that the issuer sees: a ristretto255 group element.
#[derive(Clone, Copy, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct BlindedToken(pub [u8; 32]);

impl fmt::Debug for BlindedToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "BlindedToken({}…)", Hex(&self.0[..4]))
    }
}

/// The issuer's answer to a request for tokens.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct TokenResponse {
    /// The evaluated tokens, in the order of the request: group elements.
    pub evaluated: List<[u8; 32], MAX_BATCH>,
    /// The proof that all of them were evaluated with the published key: two scalars (RFC 9497 §2.2).
    pub proof: [u8; 64],
}

/// A token: the right to one request, to be spent once.
#[derive(Clone, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct Token {
    /// The key that it was issued under.
    pub key_id: TokenKeyId,
    /// Random; makes the token unique.
    pub nonce: [u8; 32],
    /// The function's output over key id and nonce, which only the issuer can compute.
    pub output: [u8; 64],
}

impl Token {
    /// Returns what is recorded when the token is spent. It follows from what the output is computed over, so
    /// a token that verifies has one nullifier.
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

/// Shows the key's id only: the rest is the token's worth.
impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Token({:?})", self.key_id)
    }
}

/// What the function is computed over: label, key id, nonce, all of fixed length.
pub(super) fn token_input(key_id: TokenKeyId, nonce: &[u8; 32]) -> Vec<u8> {
    [Label::TOKEN_INPUT.as_str().as_bytes(), &key_id.0, nonce].concat()
}
