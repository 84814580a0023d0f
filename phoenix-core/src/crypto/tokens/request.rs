//! PROTOCOL.md §3, Tokens — the client's side: asking for tokens without the issuer seeing them.

use std::fmt;

use rand_core::TryCryptoRng;
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};
use voprf_ng::{EvaluationElement, Group, Proof, Ristretto255, VoprfClient};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::token::{
    BlindedToken, MAX_BATCH, Token, TokenError, TokenKeyId, TokenPublicKey, TokenResponse, token_input,
};
use crate::{codec::List, rng::Random};

/// One token of a request: its nonce, and the secret that unblinds it.
#[derive(Clone, Zeroize, ZeroizeOnDrop, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct PendingToken {
    nonce: [u8; 32],
    state: [u8; 64],
}

/// A request for tokens, which the client stores until it has the answer. It holds the secrets that unblind
/// the tokens.
#[derive(Clone, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct TokenRequest {
    key: TokenPublicKey,
    pending: List<PendingToken, MAX_BATCH>,
}

impl TokenRequest {
    /// Draws and blinds `count` tokens for `key`: the request to keep, and the blinded tokens to send.
    ///
    /// # Errors
    /// [`TokenError::BatchSize`] if `count` is 0 or above [`MAX_BATCH`], [`TokenError::InvalidKey`] if the
    /// key is not a valid one or does not belong to its id.
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
        if_null!(Self::blind_null(random, key, count));
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

    /// Checks the issuer's proof and unblinds the tokens.
    ///
    /// # Errors
    /// [`TokenError::BatchSize`] if not every token was answered, [`TokenError::InvalidProof`] if the tokens
    /// were not evaluated with the published key.
    pub fn finish(self, response: &TokenResponse) -> Result<Vec<Token>, TokenError> {
        if response.evaluated.len() != self.pending.len() {
            return Err(TokenError::BatchSize);
        }
        if_null!(self.finish_null(response));
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

#[cfg(feature = "null-cryptography")]
impl TokenRequest {
    fn blind_null(
        random: &mut Random,
        key: TokenPublicKey,
        count: usize,
    ) -> Result<(Self, Vec<BlindedToken>), TokenError> {
        let pending: Vec<_> =
            (0..count).map(|_| PendingToken { nonce: random.array(), state: [0; 64] }).collect();
        let blinded = pending
            .iter()
            .map(|pending| super::null::blinded(&token_input(key.id, &pending.nonce)))
            .collect();
        let pending = List::new(pending).map_err(|_| TokenError::BatchSize)?;
        Ok((Self { key, pending }, blinded))
    }

    fn finish_null(&self, response: &TokenResponse) -> Result<Vec<Token>, TokenError> {
        let inputs: Vec<_> =
            self.pending.iter().map(|pending| token_input(self.key.id, &pending.nonce)).collect();
        let outputs = super::null::finalize(&self.key.key, &inputs, response)?;
        let tokens = self.pending.iter().zip(outputs);
        Ok(tokens
            .map(|(pending, output)| Token { key_id: self.key.id, nonce: pending.nonce, output })
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
