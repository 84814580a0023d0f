//! PROTOCOL.md §3, Encryption with a client's key — AES-128-GCM, and encryption at rest (EAR) with keys that
//! clients hold.
//!
//! Each write of a record uses a key of its own, derived from the EAR key and a fresh salt. A nonce can
//! therefore never meet the same key twice, however often a record is written, and the nonce is constant.

use std::fmt;

use aes_gcm::{Aes128Gcm, KeyInit, aead::AeadInOut};
use subtle::ConstantTimeEq;
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{kdf, labels::Label};
use crate::{codec::Bytes, rng::Random};

/// Length of an AES-128 key in bytes.
pub const AEAD_KEY_LENGTH: usize = 16;
/// Length of a nonce in bytes.
pub const AEAD_NONCE_LENGTH: usize = 12;
/// Length of the tag in bytes: the difference between a ciphertext and its plaintext.
pub const AEAD_TAG_LENGTH: usize = 16;

/// The longest ciphertext of one record at rest, in bytes.
pub const MAX_EAR_CIPHERTEXT: usize = 16 << 20;

/// The ciphertext was not made under this key, label and associated data, or was changed since. Which of them
/// cannot be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[error("the ciphertext cannot be decrypted")]
pub struct DecryptionError;

/// Why a plaintext cannot be encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub enum EncryptionError {
    /// The plaintext exceeds what the ciphertext's type can hold.
    #[error("the plaintext is too long to be encrypted")]
    TooLong = 1,
    /// The recipient's public key is of low order: no private key belongs to it.
    #[error("the public key is not valid")]
    InvalidPublicKey = 2,
}

/// Encrypts `plaintext` with AES-128-GCM and appends the tag. The caller must never use a nonce twice with
/// one key.
///
/// # Errors
/// [`EncryptionError::TooLong`] beyond the limits of AES-GCM (64 GiB).
pub fn aead_seal(
    key: &[u8; AEAD_KEY_LENGTH],
    nonce: &[u8; AEAD_NONCE_LENGTH],
    associated: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, EncryptionError> {
    // With room for the tag the buffer is never moved, so no copy of the plaintext is left behind.
    let mut buffer = Vec::with_capacity(plaintext.len() + AEAD_TAG_LENGTH);
    buffer.extend_from_slice(plaintext);
    Aes128Gcm::new(key.into())
        .encrypt_in_place(nonce.into(), associated, &mut buffer)
        .map_err(|_| EncryptionError::TooLong)?;
    Ok(buffer)
}

/// Decrypts what [`aead_seal`] encrypted.
///
/// # Errors
/// [`DecryptionError`] if key, nonce, associated data or ciphertext differ.
pub fn aead_open(
    key: &[u8; AEAD_KEY_LENGTH],
    nonce: &[u8; AEAD_NONCE_LENGTH],
    associated: &[u8],
    ciphertext: &[u8],
) -> Result<Zeroizing<Vec<u8>>, DecryptionError> {
    let mut buffer = Zeroizing::new(ciphertext.to_vec());
    Aes128Gcm::new(key.into())
        .decrypt_in_place(nonce.into(), associated, &mut *buffer)
        .map_err(|_| DecryptionError)?;
    Ok(buffer)
}

/// A key for encryption at rest (EAR). Clients hold it and send it along with their requests, so that a
/// homeserver reads a record only while it serves one. Zeroized when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct EarKey([u8; 32]);

impl EarKey {
    /// A fresh key.
    pub fn random(random: &mut Random) -> Self {
        Self(random.array())
    }

    /// The key with this secret, such as one that was derived.
    pub const fn from_bytes(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// The secret: 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Encrypts a record for one write. `associated` is authenticated along with it and has to name the
    /// record.
    ///
    /// # Errors
    /// [`EncryptionError::TooLong`] if the ciphertext would exceed [`MAX_EAR_CIPHERTEXT`].
    pub fn seal(
        &self,
        random: &mut Random,
        associated: &[u8],
        plaintext: &[u8],
    ) -> Result<EarCiphertext, EncryptionError> {
        if plaintext.len() > MAX_EAR_CIPHERTEXT - AEAD_TAG_LENGTH {
            return Err(EncryptionError::TooLong);
        }
        let salt = random.array();
        let ciphertext = aead_seal(&self.write_key(&salt), &NONCE, associated, plaintext)?;
        let ciphertext = Bytes::new(ciphertext).map_err(|_| EncryptionError::TooLong)?;
        Ok(EarCiphertext { salt, ciphertext })
    }

    /// Decrypts a record that was encrypted under the same `associated` data.
    ///
    /// # Errors
    /// [`DecryptionError`] if the record was encrypted under another key or name, or was changed since.
    pub fn open(
        &self,
        associated: &[u8],
        ciphertext: &EarCiphertext,
    ) -> Result<Zeroizing<Vec<u8>>, DecryptionError> {
        aead_open(&self.write_key(&ciphertext.salt), &NONCE, associated, ciphertext.ciphertext.as_slice())
    }

    fn write_key(&self, salt: &[u8; 32]) -> Zeroizing<[u8; AEAD_KEY_LENGTH]> {
        kdf::derive(&self.0, Label::ENCRYPTION_AT_REST, salt)
    }
}

/// Constant, because each key encrypts once only.
const NONCE: [u8; AEAD_NONCE_LENGTH] = [0; AEAD_NONCE_LENGTH];

impl PartialEq for EarKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for EarKey {}

impl fmt::Debug for EarKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("EarKey(…)")
    }
}

/// A record encrypted at rest.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct EarCiphertext {
    /// Random; the key of this write is derived from the EAR key with it.
    pub salt: [u8; 32],
    /// The encrypted record and its tag.
    pub ciphertext: Bytes<MAX_EAR_CIPHERTEXT>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{decode, encode};

    #[test]
    fn a_record_opens_under_its_key_and_name_only() {
        let mut random = Random::from_seed([1; 32]);
        let key = EarKey::random(&mut random);
        let sealed = key.seal(&mut random, b"name", b"state").unwrap();
        let decoded: EarCiphertext = decode(&encode(&sealed)).unwrap();
        assert_eq!(decoded, sealed);
        assert_eq!(key.open(b"name", &decoded).unwrap().as_slice(), b"state");
        assert_eq!(key.open(b"other", &sealed), Err(DecryptionError));
        assert_eq!(EarKey::random(&mut random).open(b"name", &sealed), Err(DecryptionError));

        let mut other_salt = sealed.clone();
        other_salt.salt[0] ^= 1;
        assert_eq!(key.open(b"name", &other_salt), Err(DecryptionError));
        for position in 0..sealed.ciphertext.as_slice().len() {
            let mut changed = sealed.ciphertext.as_slice().to_vec();
            changed[position] ^= 1;
            let changed = EarCiphertext { salt: sealed.salt, ciphertext: Bytes::new(changed).unwrap() };
            assert_eq!(key.open(b"name", &changed), Err(DecryptionError));
        }
        let short = EarCiphertext { salt: sealed.salt, ciphertext: Bytes::new(vec![0; 3]).unwrap() };
        assert_eq!(key.open(b"name", &short), Err(DecryptionError));
    }

    #[test]
    fn each_write_has_a_key_of_its_own() {
        let mut random = Random::from_seed([2; 32]);
        let key = EarKey::random(&mut random);
        let first = key.seal(&mut random, b"name", b"state").unwrap();
        let second = key.seal(&mut random, b"name", b"state").unwrap();
        assert_ne!(first.ciphertext, second.ciphertext);
        assert_ne!(*key.write_key(&first.salt), *key.write_key(&second.salt));
    }

    #[test]
    fn what_is_too_long_is_refused() {
        let mut random = Random::from_seed([3; 32]);
        let longest = MAX_EAR_CIPHERTEXT - AEAD_TAG_LENGTH;
        let key = EarKey::random(&mut random);
        assert!(key.seal(&mut random, b"", &vec![0; longest]).is_ok());
        assert_eq!(key.seal(&mut random, b"", &vec![0; longest + 1]), Err(EncryptionError::TooLong));
    }

    #[test]
    fn keys_show_nothing_and_travel() {
        let key = EarKey::from_bytes([0xab; 32]);
        assert_eq!(format!("{key:?}"), "EarKey(…)");
        assert_eq!(decode::<EarKey>(&encode(&key)), Ok(key.clone()));
        assert_ne!(key, EarKey::from_bytes([0xac; 32]));
    }

    /// The GCM specification's test case 4 (AES-128, associated data, 60 bytes of plaintext).
    #[test]
    fn published_vector() {
        let hex = crate::crypto::tests::vectors::hex;
        let key = hex("feffe9928665731c6d6a8f9467308308").try_into().unwrap();
        let nonce = hex("cafebabefacedbaddecaf888").try_into().unwrap();
        let associated = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
        let plaintext = hex(concat!(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72",
            "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
        ));
        let ciphertext = hex(concat!(
            "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e",
            "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
            "5bc94fbc3221a5db94fae95ae7121a47"
        ));
        assert_eq!(aead_seal(&key, &nonce, &associated, &plaintext), Ok(ciphertext.clone()));
        assert_eq!(aead_open(&key, &nonce, &associated, &ciphertext).unwrap().as_slice(), plaintext);
    }
}
