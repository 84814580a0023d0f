//! PROTOCOL.md §6 (Tokens) — issuing and verifying Privacy Pass tokens.

use std::fmt;

use rand_core::TryCryptoRng;
use subtle::ConstantTimeEq;
use voprf_ng::{Group, Ristretto255, VoprfServer};

use super::{
    kdf,
    labels::Label,
    tokens::{
        BlindedToken, MAX_BATCH, Token, TokenError, TokenKeyId, TokenPublicKey, TokenResponse, TokenScope,
        blinded_element, token_input,
    },
};
use crate::{codec::List, rng::Random, time::ExpirationData};

/// The private key of a token issuer, for one scope and one rotation period. Zeroized when dropped.
#[derive(Clone)]
pub struct TokenIssuerKey {
    id: TokenKeyId,
    scope: TokenScope,
    server: VoprfServer<Ristretto255>,
    public: [u8; 32],
}

impl TokenIssuerKey {
    /// The key of a service with this seed, for one scope and rotation period: every node arrives at the
    /// same, and nothing needs to be stored.
    ///
    /// # Errors
    /// [`TokenError::InvalidKey`] if no key follows from the seed, which does not happen.
    pub fn derive(seed: &[u8; 32], scope: TokenScope, period: u64) -> Result<Self, TokenError> {
        let mut context = [0; 9];
        let (scope_byte, period_bytes) = context.split_at_mut(1);
        scope_byte.copy_from_slice(&[scope as u8]);
        period_bytes.copy_from_slice(&period.to_be_bytes());
        let seed = kdf::derive::<32>(seed, Label::TOKEN_ISSUER, &context);
        let server = VoprfServer::new_from_seed(seed.as_slice(), Label::TOKEN_ISSUER.as_str().as_bytes());
        let server = server.map_err(|_| TokenError::InvalidKey)?;
        let public = Ristretto255::serialize_elem(server.get_public_key()).into();
        Ok(Self { id: TokenKeyId::of(scope, &public), scope, server, public })
    }

    /// The key's name.
    pub const fn id(&self) -> TokenKeyId {
        self.id
    }

    /// What its tokens are good for.
    pub const fn scope(&self) -> TokenScope {
        self.scope
    }

    /// The public half, to be published with the time in which tokens are redeemed.
    pub const fn public_key(&self, validity: ExpirationData) -> TokenPublicKey {
        TokenPublicKey { id: self.id, scope: self.scope, key: self.public, validity }
    }

    /// Evaluates a batch of blinded tokens.
    ///
    /// # Errors
    /// [`TokenError::BatchSize`] if there are none or more than [`MAX_BATCH`],
    /// [`TokenError::InvalidBlindedToken`] if one is not a valid group element. Nothing is issued then.
    pub fn issue(&self, random: &mut Random, blinded: &[BlindedToken]) -> Result<TokenResponse, TokenError> {
        evaluate(&self.server, random.generator(), blinded)
    }

    /// Checks that `token` was issued under this key. The output is compared in constant time.
    ///
    /// # Errors
    /// [`TokenError::InvalidToken`] otherwise.
    pub fn verify(&self, token: &Token) -> Result<(), TokenError> {
        if token.key_id != self.id {
            return Err(TokenError::InvalidToken);
        }
        let output = self.server.evaluate(&token_input(token.key_id, &token.nonce));
        let output = output.map_err(|_| TokenError::InvalidToken)?;
        let genuine = output.as_slice().ct_eq(&token.output);
        if genuine.into() { Ok(()) } else { Err(TokenError::InvalidToken) }
    }
}

impl fmt::Debug for TokenIssuerKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TokenIssuerKey({:?}, {:?})", self.scope, self.id)
    }
}

fn evaluate(
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        codec::{decode, encode},
        crypto::{
            test_vectors::{Script, hex},
            tokens::{TokenRequest, blind, finalize},
        },
        time::{DAY, Timestamp},
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

    struct Vector {
        inputs: &'static [&'static str],
        blinds: &'static [&'static str],
        blinded: &'static [&'static str],
        evaluated: &'static [&'static str],
        proof: &'static str,
        proof_scalar: &'static str,
        outputs: &'static [&'static str],
    }

    /// RFC 9497 §A.1.2 (ristretto255-SHA512, VOPRF mode), all three, through the code that tokens are made by.
    #[test]
    fn published_vectors() {
        let server = VoprfServer::<Ristretto255>::new_from_seed(&[0xa3; 32], b"test key").unwrap();
        let public: [u8; 32] = Ristretto255::serialize_elem(server.get_public_key()).into();
        let expected = hex("c803e2cc6b05fc15064549b5920659ca4a77b2cca6f04f6b357009335476ad4e");
        assert_eq!(public.as_slice(), expected);
        for vector in VECTORS {
            let inputs: Vec<_> = vector.inputs.iter().map(|input| hex(input)).collect();
            let (mut clients, mut messages) = (Vec::new(), Vec::new());
            for (input, scalar) in inputs.iter().zip(vector.blinds) {
                let (client, message) = blind(input, &mut Script(hex(scalar))).unwrap();
                clients.push(client);
                messages.push(message);
            }
            let hexes = |texts: &[&str]| -> Vec<Vec<u8>> { texts.iter().map(|text| hex(text)).collect() };
            let blinded: Vec<_> = messages.iter().map(|message| message.0.to_vec()).collect();
            assert_eq!(blinded, hexes(vector.blinded));
            let mut script = Script(hex(vector.proof_scalar));
            let response = evaluate(&server, &mut script, &messages).unwrap();
            let evaluated: Vec<_> = response.evaluated.iter().map(|element| element.to_vec()).collect();
            assert_eq!(evaluated, hexes(vector.evaluated));
            assert_eq!(response.proof.as_slice(), hex(vector.proof));
            let outputs = finalize(&inputs, &clients, &response, &public).unwrap();
            let outputs: Vec<_> = outputs.iter().map(|output| output.to_vec()).collect();
            assert_eq!(outputs, hexes(vector.outputs));
            for (input, output) in inputs.iter().zip(&outputs) {
                assert_eq!(server.evaluate(input).unwrap().as_slice(), output);
            }
        }
    }

    const VECTORS: &[Vector] = &[
        Vector {
            inputs: &["00"],
            blinds: &["64d37aed22a27f5191de1c1d69fadb899d8862b58eb4220029e036ec4c1f6706"],
            blinded: &["863f330cc1a1259ed5a5998a23acfd37fb4351a793a5b3c090b642ddc439b945"],
            evaluated: &["aa8fa048764d5623868679402ff6108d2521884fa138cd7f9c7669a9a014267e"],
            proof: concat!(
                "ddef93772692e535d1a53903db24367355cc2cc78de93b3be5a8ffcc6985dd06",
                "6d4346421d17bf5117a2a1ff0fcb2a759f58a539dfbe857a40bce4cf49ec600d"
            ),
            proof_scalar: "222a5e897cf59db8145db8d16e597e8facb80ae7d4e26d9881aa6f61d645fc0e",
            outputs: &[concat!(
                "b58cfbe118e0cb94d79b5fd6a6dafb98764dff49c14e1770b566e42402da1a7d",
                "a4d8527693914139caee5bd03903af43a491351d23b430948dd50cde10d32b3c"
            )],
        },
        Vector {
            inputs: &["5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"],
            blinds: &["64d37aed22a27f5191de1c1d69fadb899d8862b58eb4220029e036ec4c1f6706"],
            blinded: &["cc0b2a350101881d8a4cba4c80241d74fb7dcbfde4a61fde2f91443c2bf9ef0c"],
            evaluated: &["60a59a57208d48aca71e9e850d22674b611f752bed48b36f7a91b372bd7ad468"],
            proof: concat!(
                "401a0da6264f8cf45bb2f5264bc31e109155600babb3cd4e5af7d181a2c9dc0a",
                "67154fabf031fd936051dec80b0b6ae29c9503493dde7393b722eafdf5a50b02"
            ),
            proof_scalar: "222a5e897cf59db8145db8d16e597e8facb80ae7d4e26d9881aa6f61d645fc0e",
            outputs: &[concat!(
                "8a9a2f3c7f085b65933594309041fc1898d42d0858e59f90814ae90571a6df60",
                "356f4610bf816f27afdd84f47719e480906d27ecd994985890e5f539e7ea74b6"
            )],
        },
        Vector {
            inputs: &["00", "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"],
            blinds: &[
                "64d37aed22a27f5191de1c1d69fadb899d8862b58eb4220029e036ec4c1f6706",
                "222a5e897cf59db8145db8d16e597e8facb80ae7d4e26d9881aa6f61d645fc0e",
            ],
            blinded: &[
                "863f330cc1a1259ed5a5998a23acfd37fb4351a793a5b3c090b642ddc439b945",
                "90a0145ea9da29254c3a56be4fe185465ebb3bf2a1801f7124bbbadac751e654",
            ],
            evaluated: &[
                "aa8fa048764d5623868679402ff6108d2521884fa138cd7f9c7669a9a014267e",
                "cc5ac221950a49ceaa73c8db41b82c20372a4c8d63e5dded2db920b7eee36a2a",
            ],
            proof: concat!(
                "cc203910175d786927eeb44ea847328047892ddf8590e723c37205cb74600b0a",
                "5ab5337c8eb4ceae0494c2cf89529dcf94572ed267473d567aeed6ab873dee08"
            ),
            proof_scalar: "419c4f4f5052c53c45f3da494d2b67b220d02118e0857cdbcf037f9ea84bbe0c",
            outputs: &[
                concat!(
                    "b58cfbe118e0cb94d79b5fd6a6dafb98764dff49c14e1770b566e42402da1a7d",
                    "a4d8527693914139caee5bd03903af43a491351d23b430948dd50cde10d32b3c"
                ),
                concat!(
                    "8a9a2f3c7f085b65933594309041fc1898d42d0858e59f90814ae90571a6df60",
                    "356f4610bf816f27afdd84f47719e480906d27ecd994985890e5f539e7ea74b6"
                ),
            ],
        },
    ];
}
