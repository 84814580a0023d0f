//! PROTOCOL.md §3, Tokens — the issuer's side: evaluating blinded tokens and verifying tokens.

use std::fmt;

use rand_core::TryCryptoRng;
use subtle::ConstantTimeEq;
use voprf_ng::{BlindedElement, Group, Ristretto255, VoprfServer};

use super::token::{
    BlindedToken, MAX_BATCH, Token, TokenError, TokenKeyId, TokenPublicKey, TokenResponse, TokenScope,
    token_input,
};
#[cfg(feature = "null-cryptography")]
use crate::crypto::null;
use crate::{
    codec::List,
    crypto::{kdf, labels::Label},
    rng::Random,
    time::ExpirationData,
};

/// The private key of a token issuer, for one scope and one rotation period. Zeroized when dropped.
#[derive(Clone)]
pub struct TokenIssuerKey {
    id: TokenKeyId,
    scope: TokenScope,
    private: Private,
    public: [u8; 32],
}

#[derive(Clone)]
enum Private {
    Voprf(VoprfServer<Ristretto255>),
    #[cfg(feature = "null-cryptography")]
    Null,
}

impl TokenIssuerKey {
    /// Derives the key for one scope and rotation period from the homeserver's seed. Every node arrives at
    /// the same key, and nothing needs to be stored.
    ///
    /// # Errors
    /// [`TokenError::InvalidKey`] if no key follows from the seed, which does not happen.
    pub fn derive(seed: &[u8; 32], scope: TokenScope, period: u64) -> Result<Self, TokenError> {
        let mut context = [0; 9];
        let (scope_byte, period_bytes) = context.split_at_mut(1);
        scope_byte.copy_from_slice(&[scope as u8]);
        period_bytes.copy_from_slice(&period.to_be_bytes());
        let seed = kdf::derive::<32>(seed, Label::TOKEN_ISSUER, &context);
        if_null!({
            let public = null::public_key(&seed);
            Ok(Self { id: TokenKeyId::of(scope, &public), scope, private: Private::Null, public })
        });
        let server = VoprfServer::new_from_seed(seed.as_slice(), Label::TOKEN_ISSUER.as_str().as_bytes());
        let server = server.map_err(|_| TokenError::InvalidKey)?;
        let public = Ristretto255::serialize_elem(server.get_public_key()).into();
        Ok(Self { id: TokenKeyId::of(scope, &public), scope, private: Private::Voprf(server), public })
    }

    /// The id of the public half.
    pub const fn id(&self) -> TokenKeyId {
        self.id
    }

    /// Whose requests its tokens pay for.
    pub const fn scope(&self) -> TokenScope {
        self.scope
    }

    /// Returns the public half, to be published with the time in which tokens are redeemed.
    pub const fn public_key(&self, validity: ExpirationData) -> TokenPublicKey {
        TokenPublicKey { id: self.id, scope: self.scope, key: self.public, validity }
    }

    /// Evaluates a batch of blinded tokens.
    ///
    /// # Errors
    /// [`TokenError::BatchSize`] if there are none or more than [`MAX_BATCH`];
    /// [`TokenError::InvalidBlindedToken`] if one is not a valid group element. Nothing is issued then.
    pub fn issue(&self, random: &mut Random, blinded: &[BlindedToken]) -> Result<TokenResponse, TokenError> {
        match &self.private {
            Private::Voprf(server) => evaluate(server, random.generator(), blinded),
            #[cfg(feature = "null-cryptography")]
            Private::Null => super::null::evaluate(&self.public, blinded),
        }
    }

    /// Checks that `token` was issued under this key. The output is compared in constant time. Whether the
    /// token was spent already is for the caller to see.
    ///
    /// # Errors
    /// [`TokenError::InvalidToken`] if it was not.
    pub fn verify(&self, token: &Token) -> Result<(), TokenError> {
        if token.key_id != self.id {
            return Err(TokenError::InvalidToken);
        }
        let input = token_input(token.key_id, &token.nonce);
        let genuine = match &self.private {
            Private::Voprf(server) => {
                let output = server.evaluate(&input).map_err(|_| TokenError::InvalidToken)?;
                output.as_slice().ct_eq(&token.output)
            }
            #[cfg(feature = "null-cryptography")]
            Private::Null => super::null::output(&self.public, &input).ct_eq(&token.output),
        };
        if genuine.into() { Ok(()) } else { Err(TokenError::InvalidToken) }
    }
}

impl fmt::Debug for TokenIssuerKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TokenIssuerKey({:?}, {:?})", self.scope, self.id)
    }
}

pub(super) fn evaluate(
    server: &VoprfServer<Ristretto255>,
    generator: &mut impl TryCryptoRng,
    blinded: &[BlindedToken],
) -> Result<TokenResponse, TokenError> {
    // Checked before any group operation.
    if blinded.is_empty() || blinded.len() > MAX_BATCH {
        return Err(TokenError::BatchSize);
    }
    let blinded = blinded.iter().map(blinded_element).collect::<Result<Vec<_>, _>>()?;
    let prepared: Vec<_> = server.batch_blind_evaluate_prepare(blinded.iter()).collect();
    let result = server
        .batch_blind_evaluate_finish(generator, blinded.iter(), &prepared)
        .map_err(|_| TokenError::BatchSize)?;
    let evaluated: Vec<[u8; 32]> = result.messages.map(|element| element.serialize().into()).collect();
    Ok(TokenResponse {
        evaluated: List::new(evaluated).map_err(|_| TokenError::BatchSize)?,
        proof: result.proof.serialize().into(),
    })
}

/// The group element of a blinded token.
fn blinded_element(token: &BlindedToken) -> Result<BlindedElement<Ristretto255>, TokenError> {
    BlindedElement::deserialize(&token.0).map_err(|_| TokenError::InvalidBlindedToken)
}
