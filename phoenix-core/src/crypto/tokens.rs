//! PROTOCOL.md §3, §6 (Tokens) — Privacy Pass batched tokens as they travel, and the client that asks for them.
//!
//! A token is a nonce and the output of a verifiable oblivious pseudorandom function over it (RFC 9497,
//! ristretto255-SHA512). The issuer sees blinded points only, so it cannot recognise the token later; the
//! proof shows the client that everybody's tokens are made with the one published key. The issuer's side is
//! [`TokenIssuerKey`].

use std::fmt;

use rand_core::TryCryptoRng;
use subtle::ConstantTimeEq;
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};
use voprf_ng::{BlindedElement, EvaluationElement, Group, Proof, Ristretto255, VoprfClient};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{
    kdf::{Hash, hash},
    labels::Label,
};
use crate::{codec::List, identifiers::HexId, rng::Random, time::ExpirationData};

pub use super::token_issuer::TokenIssuerKey;

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

/// One token of a request: its nonce, and what takes the blinding off.
#[derive(Clone, Zeroize, ZeroizeOnDrop, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct PendingToken {
    nonce: [u8; 32],
    state: [u8; 64],
}

/// A request for tokens, as the client keeps it until the answer comes.
#[derive(Clone, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct TokenRequest {
    key: TokenPublicKey,
    pending: List<PendingToken, MAX_BATCH>,
}

impl TokenRequest {
    /// Blinds `count` fresh tokens for `key`.
    ///
    /// # Errors
    /// [`TokenError::BatchSize`] if there are none or too many, [`TokenError::InvalidKey`] if the key is not
    /// a valid one or does not belong to its id.
    pub fn blind(
        random: &mut Random,
        key: TokenPublicKey,
        count: usize,
    ) -> Result<(Self, Vec<BlindedToken>), TokenError> {
        if count == 0 || count > MAX_BATCH {
            return Err(TokenError::BatchSize);
        }
        if key.id != TokenKeyId::of(key.scope, &key.key) {
            return Err(TokenError::InvalidKey);
        }
        Ristretto255::deserialize_elem(&key.key).map_err(|_| TokenError::InvalidKey)?;
        let mut pending = Vec::with_capacity(count);
        let mut blinded = Vec::with_capacity(count);
        for _ in 0..count {
            let nonce = random.array();
            let (client, message) = blind(&token_input(key.id, &nonce), random.generator())?;
            pending.push(PendingToken { nonce, state: client.serialize().into() });
            blinded.push(message);
        }
        let pending = List::new(pending).map_err(|_| TokenError::BatchSize)?;
        Ok((Self { key, pending }, blinded))
    }

    /// The key that the tokens are to be issued under.
    pub const fn key(&self) -> &TokenPublicKey {
        &self.key
    }

    /// Checks the issuer's proof and takes the blinding off.
    ///
    /// # Errors
    /// [`TokenError::BatchSize`] if not every token was answered, [`TokenError::InvalidProof`] if the tokens
    /// were not evaluated with the published key.
    pub fn finish(self, response: &TokenResponse) -> Result<Vec<Token>, TokenError> {
        if response.evaluated.len() != self.pending.len() {
            return Err(TokenError::BatchSize);
        }
        let clients = self
            .pending
            .iter()
            .map(|pending| VoprfClient::deserialize(&pending.state).map_err(|_| TokenError::InvalidProof))
            .collect::<Result<Vec<_>, _>>()?;
        let inputs: Vec<_> =
            self.pending.iter().map(|pending| token_input(self.key.id, &pending.nonce)).collect();
        let outputs = finalize(&inputs, &clients, response, &self.key.key)?;
        let tokens = self.pending.iter().zip(outputs);
        Ok(tokens
            .map(|(pending, output)| Token { key_id: self.key.id, nonce: pending.nonce, output: *output })
            .collect())
    }
}

impl fmt::Debug for TokenRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TokenRequest({} under {:?})", self.pending.len(), self.key.id)
    }
}

/// Blinds one input.
pub(super) fn blind(
    input: &[u8],
    generator: &mut impl TryCryptoRng,
) -> Result<(VoprfClient<Ristretto255>, BlindedToken), TokenError> {
    // Of the possible failures (an input that is too long or maps to the identity, a generator that fails)
    // none can be brought about.
    let blinded = VoprfClient::<Ristretto255>::blind(input, generator);
    let blinded = blinded.map_err(|_| TokenError::InvalidBlindedToken)?;
    Ok((blinded.state, BlindedToken(blinded.message.serialize().into())))
}

/// The outputs for `inputs`, once the proof is checked.
pub(super) fn finalize(
    inputs: &[Vec<u8>],
    clients: &[VoprfClient<Ristretto255>],
    response: &TokenResponse,
    key: &[u8; 32],
) -> Result<Vec<Zeroizing<[u8; 64]>>, TokenError> {
    let key = Ristretto255::deserialize_elem(key).map_err(|_| TokenError::InvalidKey)?;
    let proof = Proof::<Ristretto255>::deserialize(&response.proof).map_err(|_| TokenError::InvalidProof)?;
    let evaluated = response
        .evaluated
        .iter()
        .map(|element| EvaluationElement::deserialize(element).map_err(|_| TokenError::InvalidProof))
        .collect::<Result<Vec<_>, _>>()?;
    let (inputs, clients) = (inputs.to_vec(), clients.to_vec());
    VoprfClient::batch_finalize(&inputs, &clients, &evaluated, &proof, key)
        .map_err(|_| TokenError::InvalidProof)?
        .map(|output| {
            let output = output.map_err(|_| TokenError::InvalidProof)?;
            Ok(Zeroizing::new(output.into()))
        })
        .collect()
}

/// The group element of a blinded token.
pub(super) fn blinded_element(token: &BlindedToken) -> Result<BlindedElement<Ristretto255>, TokenError> {
    BlindedElement::deserialize(&token.0).map_err(|_| TokenError::InvalidBlindedToken)
}
