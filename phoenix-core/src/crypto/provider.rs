//! PROTOCOL.md §3, Suite — the cryptography that MLS runs on: one ciphersuite, seeded, without ambient
//! randomness.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
};

use aes_gcm::{
    Aes128Gcm, KeyInit,
    aead::{Aead as _, Payload},
};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use hpke::{
    Deserializable, Kem as _, OpModeR, OpModeS, Serializable, aead::AesGcm128, kdf::HkdfSha256,
    kem::X25519HkdfSha256,
};
use openmls_traits::{
    crypto::OpenMlsCrypto,
    random::OpenMlsRand,
    types::{
        AeadType, Ciphersuite, CryptoError, ExporterSecret, HashType, HpkeAeadType, HpkeCiphertext,
        HpkeConfig, HpkeKdfType, HpkeKemType, HpkeKeyPair, KemOutput, SignatureScheme,
    },
};
use sha2::{Digest, Sha256};
use tls_codec::SecretVLBytes;
use zeroize::Zeroizing;

use super::{
    hash_memo::HashMemo,
    sign::{SigningKey, VerifyingKey},
};
use crate::rng::Random;

type PublicKey = <X25519HkdfSha256 as hpke::Kem>::PublicKey;
type PrivateKey = <X25519HkdfSha256 as hpke::Kem>::PrivateKey;
type EncappedKey = <X25519HkdfSha256 as hpke::Kem>::EncappedKey;

/// Cryptography and randomness for MLS, with `MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519` and nothing else.
///
/// Everything random is a function of the seed. Draws come from one stream, except for HPKE encryption: MLS
/// encrypts to many members in parallel, in no fixed order, so there the randomness is derived from the seed
/// and all inputs. Equal inputs have equal ciphertexts, and different inputs share no randomness.
pub struct MlsCrypto {
    seed: Zeroizing<[u8; 32]>,
    stream: Mutex<Random>,
    memo: Option<Arc<HashMemo>>,
    /// Whether the null provider was on when it was made: MLS encrypts on threads of its own.
    #[cfg(feature = "null-cryptography")]
    is_null: bool,
}

/// Returns `$null` if this instance is of the null provider.
macro_rules! if_null_mls {
    ($self:ident, $null:expr) => {
        #[cfg(feature = "null-cryptography")]
        {
            if $self.is_null {
                return $null;
            }
        }
    };
}

impl MlsCrypto {
    /// Cryptography that draws its randomness from `seed`, which must be fresh and secret.
    pub fn new(seed: [u8; 32]) -> Self {
        let stream = Mutex::new(Random::derive(&seed, "MLS, stream", &[]));
        Self {
            seed: Zeroizing::new(seed),
            stream,
            memo: None,
            #[cfg(feature = "null-cryptography")]
            is_null: super::null::is_on(),
        }
    }

    /// As [`MlsCrypto::new`], with hashes that are remembered in `memo`, which any number of instances may
    /// share.
    pub fn with_memo(seed: [u8; 32], memo: Arc<HashMemo>) -> Self {
        Self { memo: Some(memo), ..Self::new(seed) }
    }

    fn draw<const N: usize>(&self) -> [u8; N] {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner).array()
    }

    fn derived(&self, label: &str, inputs: &[&[u8]]) -> Random {
        Random::derive(&self.seed, label, inputs)
    }
}

fn library_error<E>(_: E) -> CryptoError {
    CryptoError::CryptoLibraryError
}

fn require_sha256(hash_type: HashType) -> Result<(), CryptoError> {
    match hash_type {
        HashType::Sha2_256 => Ok(()),
        _ => Err(CryptoError::UnsupportedHashAlgorithm),
    }
}

fn require_aes128(algorithm: AeadType) -> Result<(), CryptoError> {
    match algorithm {
        AeadType::Aes128Gcm => Ok(()),
        _ => Err(CryptoError::UnsupportedAeadAlgorithm),
    }
}

fn require_ed25519(scheme: SignatureScheme) -> Result<(), CryptoError> {
    match scheme {
        SignatureScheme::ED25519 => Ok(()),
        _ => Err(CryptoError::UnsupportedSignatureScheme),
    }
}

fn require_hpke_suite(config: &HpkeConfig) -> Result<(), CryptoError> {
    match (config.0, config.1, config.2) {
        (HpkeKemType::DhKem25519, HpkeKdfType::HkdfSha256, HpkeAeadType::AesGcm128) => Ok(()),
        _ => Err(CryptoError::UnsupportedCiphersuite),
    }
}

impl OpenMlsCrypto for MlsCrypto {
    fn supports(&self, ciphersuite: Ciphersuite) -> Result<(), CryptoError> {
        match ciphersuite {
            Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519 => Ok(()),
            _ => Err(CryptoError::UnsupportedCiphersuite),
        }
    }

    fn supported_ciphersuites(&self) -> Vec<Ciphersuite> {
        vec![Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519]
    }

    fn hkdf_extract(
        &self,
        hash_type: HashType,
        salt: &[u8],
        input_key: &[u8],
    ) -> Result<SecretVLBytes, CryptoError> {
        require_sha256(hash_type)?;
        Ok(Hkdf::<Sha256>::extract(Some(salt), input_key).0.to_vec().into())
    }

    fn hmac(&self, hash_type: HashType, key: &[u8], message: &[u8]) -> Result<SecretVLBytes, CryptoError> {
        require_sha256(hash_type)?;
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).map_err(library_error)?;
        mac.update(message);
        Ok(mac.finalize().into_bytes().to_vec().into())
    }

    fn hkdf_expand(
        &self,
        hash_type: HashType,
        pseudorandom_key: &[u8],
        info: &[u8],
        length: usize,
    ) -> Result<SecretVLBytes, CryptoError> {
        require_sha256(hash_type)?;
        let mut output = vec![0; length];
        Hkdf::<Sha256>::from_prk(pseudorandom_key)
            .map_err(library_error)?
            .expand(info, &mut output)
            .map_err(|_| CryptoError::HkdfOutputLengthInvalid)?;
        Ok(output.into())
    }

    fn hash(&self, hash_type: HashType, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        require_sha256(hash_type)?;
        Ok(match &self.memo {
            Some(memo) => memo.sha256(data).to_vec(),
            None => Sha256::digest(data).to_vec(),
        })
    }

    fn aead_encrypt(
        &self,
        algorithm: AeadType,
        key: &[u8],
        data: &[u8],
        nonce: &[u8],
        associated_data: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        require_aes128(algorithm)?;
        Aes128Gcm::new_from_slice(key)
            .map_err(library_error)?
            .encrypt(nonce.try_into().map_err(library_error)?, Payload { msg: data, aad: associated_data })
            .map_err(library_error)
    }

    fn aead_decrypt(
        &self,
        algorithm: AeadType,
        key: &[u8],
        ciphertext: &[u8],
        nonce: &[u8],
        associated_data: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        require_aes128(algorithm)?;
        let payload = Payload { msg: ciphertext, aad: associated_data };
        Aes128Gcm::new_from_slice(key)
            .map_err(library_error)?
            .decrypt(nonce.try_into().map_err(library_error)?, payload)
            .map_err(|_| CryptoError::AeadDecryptionError)
    }

    fn signature_key_gen(&self, scheme: SignatureScheme) -> Result<(Vec<u8>, Vec<u8>), CryptoError> {
        require_ed25519(scheme)?;
        let secret = Zeroizing::new(self.draw::<32>());
        Ok((secret.to_vec(), SigningKey::from_bytes(&secret).verifying_key().0.to_vec()))
    }

    fn verify_signature(
        &self,
        scheme: SignatureScheme,
        data: &[u8],
        key: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        require_ed25519(scheme)?;
        let key = VerifyingKey(key.try_into().map_err(|_| CryptoError::InvalidPublicKey)?);
        let signature: &[u8; 64] = signature.try_into().map_err(|_| CryptoError::InvalidSignature)?;
        if_null_mls!(self, {
            let genuine = super::null::signature(&key.0, data) == *signature;
            if genuine { Ok(()) } else { Err(CryptoError::InvalidSignature) }
        });
        key.verify_bytes(data, signature).map_err(|_| CryptoError::InvalidSignature)
    }

    fn sign(&self, scheme: SignatureScheme, data: &[u8], key: &[u8]) -> Result<Vec<u8>, CryptoError> {
        require_ed25519(scheme)?;
        let key = SigningKey::from_bytes(key.try_into().map_err(|_| CryptoError::SigningError)?);
        Ok(key.sign_mls(data))
    }

    fn hpke_seal(
        &self,
        config: HpkeConfig,
        recipient: &[u8],
        info: &[u8],
        associated_data: &[u8],
        plaintext: &[u8],
    ) -> Result<HpkeCiphertext, CryptoError> {
        require_hpke_suite(&config)?;
        let mut random = self.derived("MLS, HPKE seal", &[recipient, info, associated_data, plaintext]);
        if_null_mls!(self, {
            let (public, encapsulated) = (null_key(recipient)?, random.array::<32>());
            let sealed = super::null::seal(&public, &encapsulated, info, associated_data, plaintext);
            let ciphertext = sealed.ok_or(CryptoError::HpkeEncryptionError)?;
            Ok(HpkeCiphertext { kem_output: encapsulated.to_vec().into(), ciphertext: ciphertext.into() })
        });
        let recipient = PublicKey::from_bytes(recipient).map_err(library_error)?;
        let (encapped, ciphertext) =
            hpke::single_shot_seal_with_rng::<AesGcm128, HkdfSha256, X25519HkdfSha256>(
                &OpModeS::Base,
                &recipient,
                info,
                plaintext,
                associated_data,
                random.generator(),
            )
            .map_err(|_| CryptoError::HpkeEncryptionError)?;
        Ok(HpkeCiphertext { kem_output: encapped.to_bytes().to_vec().into(), ciphertext: ciphertext.into() })
    }

    fn hpke_open(
        &self,
        config: HpkeConfig,
        input: &HpkeCiphertext,
        secret_key: &[u8],
        info: &[u8],
        associated_data: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        require_hpke_suite(&config)?;
        if_null_mls!(self, {
            let (secret, encapsulated) = (null_key(secret_key)?, null_key(input.kem_output.as_slice())?);
            let sealed = input.ciphertext.as_slice();
            let opened = super::null::open(&secret, &encapsulated, info, associated_data, sealed);
            opened.map(|plain| plain.to_vec()).ok_or(CryptoError::HpkeDecryptionError)
        });
        let failed = |_| CryptoError::HpkeDecryptionError;
        hpke::single_shot_open::<AesGcm128, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &PrivateKey::from_bytes(secret_key).map_err(failed)?,
            &EncappedKey::from_bytes(input.kem_output.as_slice()).map_err(failed)?,
            info,
            input.ciphertext.as_slice(),
            associated_data,
        )
        .map_err(failed)
    }

    fn hpke_setup_sender_and_export(
        &self,
        config: HpkeConfig,
        recipient: &[u8],
        info: &[u8],
        exporter_context: &[u8],
        exporter_length: usize,
    ) -> Result<(KemOutput, ExporterSecret), CryptoError> {
        require_hpke_suite(&config)?;
        // All inputs are public here: a draw of its own makes each export different and secret.
        let fresh = Zeroizing::new(self.draw::<32>());
        let inputs = [recipient, info, exporter_context, fresh.as_slice()];
        let mut random = self.derived("MLS, HPKE export", &inputs);
        if_null_mls!(self, {
            let (public, encapsulated) = (null_key(recipient)?, random.array::<32>());
            let secret =
                super::null::exported(&public, &encapsulated, info, exporter_context, exporter_length);
            Ok((encapsulated.to_vec(), secret.into()))
        });
        let recipient = PublicKey::from_bytes(recipient).map_err(library_error)?;
        let (encapped, context) = hpke::setup_sender_with_rng::<AesGcm128, HkdfSha256, X25519HkdfSha256>(
            &OpModeS::Base,
            &recipient,
            info,
            random.generator(),
        )
        .map_err(|_| CryptoError::SenderSetupError)?;
        let mut secret = vec![0; exporter_length];
        context.export(exporter_context, &mut secret).map_err(|_| CryptoError::ExporterError)?;
        Ok((encapped.to_bytes().to_vec(), secret.into()))
    }

    fn hpke_setup_receiver_and_export(
        &self,
        config: HpkeConfig,
        encapped: &[u8],
        secret_key: &[u8],
        info: &[u8],
        exporter_context: &[u8],
        exporter_length: usize,
    ) -> Result<ExporterSecret, CryptoError> {
        require_hpke_suite(&config)?;
        if_null_mls!(self, {
            let (public, encapsulated) =
                (super::null::public_key(&null_key(secret_key)?), null_key(encapped)?);
            let secret =
                super::null::exported(&public, &encapsulated, info, exporter_context, exporter_length);
            Ok(secret.into())
        });
        let failed = |_| CryptoError::ReceiverSetupError;
        let context = hpke::setup_receiver::<AesGcm128, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &PrivateKey::from_bytes(secret_key).map_err(failed)?,
            &EncappedKey::from_bytes(encapped).map_err(failed)?,
            info,
        )
        .map_err(failed)?;
        let mut secret = vec![0; exporter_length];
        context.export(exporter_context, &mut secret).map_err(|_| CryptoError::ExporterError)?;
        Ok(secret.into())
    }

    fn derive_hpke_keypair(&self, config: HpkeConfig, input_key: &[u8]) -> Result<HpkeKeyPair, CryptoError> {
        require_hpke_suite(&config)?;
        if_null_mls!(self, {
            let secret = super::null::hash("null private key", &[input_key]);
            let public = super::null::public_key(&secret).to_vec();
            Ok(HpkeKeyPair { private: secret.to_vec().into(), public })
        });
        let (secret, public) = X25519HkdfSha256::derive_keypair(input_key);
        Ok(HpkeKeyPair { private: secret.to_bytes().to_vec().into(), public: public.to_bytes().to_vec() })
    }
}

#[cfg(feature = "null-cryptography")]
fn null_key(bytes: &[u8]) -> Result<[u8; 32], CryptoError> {
    bytes.try_into().map_err(library_error)
}

impl OpenMlsRand for MlsCrypto {
    type Error = Infallible;

    fn random_array<const N: usize>(&self) -> Result<[u8; N], Infallible> {
        Ok(self.draw())
    }

    fn random_vec(&self, length: usize) -> Result<Vec<u8>, Infallible> {
        let mut bytes = vec![0; length];
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        rand_core::Rng::fill_bytes(stream.generator(), &mut bytes);
        Ok(bytes)
    }
}
