//! PROTOCOL.md §3, Ratchets — the ratchet itself: a key that moves on with each message and renews itself by
//! rotation.

use std::fmt;

use subtle::ConstantTimeEq;
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{
    codec::Bytes,
    crypto::{
        aead::{
            AEAD_KEY_LENGTH, AEAD_NONCE_LENGTH, AEAD_TAG_LENGTH, DecryptionError, EncryptionError, aead_open,
            aead_seal,
        },
        kdf,
        labels::Label,
    },
    rng::Random,
};

/// The longest ciphertext of one entry, in bytes.
pub const MAX_RATCHET_CIPHERTEXT: usize = (6 << 20) + AEAD_TAG_LENGTH;

/// A ratchet key: all later message keys follow from it, and no earlier one. Zeroized when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct RatchetSecret([u8; 32]);

impl RatchetSecret {
    /// A fresh key.
    pub fn random(random: &mut Random) -> Self {
        Self(random.array())
    }

    /// The key with this secret, such as a stream's seed.
    pub const fn from_bytes(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// The secret, for sealing it to the owner.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Takes a step: the next ratchet key, and the key for one message. The caller drops this key afterwards.
    pub fn step(&self) -> (Self, MessageKey) {
        let next = kdf::derive(&self.0, Label::RATCHET_NEXT, &[]);
        let message = kdf::derive(&self.0, Label::RATCHET_MESSAGE, &[]);
        (Self(*next), MessageKey(*message))
    }

    /// Returns the ratchet key that `fresh` randomness is mixed into.
    pub fn rotate(&self, fresh: &[u8; 32]) -> Self {
        let rotation: Zeroizing<[u8; 32]> = kdf::derive(&self.0, Label::RATCHET_ROTATION, &[]);
        let mut mixed = Zeroizing::new([0; 64]);
        let (first, second) = mixed.split_at_mut(32);
        first.copy_from_slice(rotation.as_slice());
        second.copy_from_slice(fresh);
        Self(*kdf::derive(mixed.as_slice(), Label::RATCHET_ROTATED, &[]))
    }
}

impl PartialEq for RatchetSecret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for RatchetSecret {}

impl fmt::Debug for RatchetSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RatchetSecret(…)")
    }
}

/// The key of one message (AES-128-GCM). Zeroized when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct MessageKey([u8; AEAD_KEY_LENGTH]);

impl MessageKey {
    /// Encrypts a message, which can be decrypted only at the position that `associated` names.
    ///
    /// # Errors
    /// [`EncryptionError::TooLong`] if the ciphertext would exceed [`MAX_RATCHET_CIPHERTEXT`].
    pub fn seal(
        &self,
        random: &mut Random,
        associated: &[u8],
        plaintext: &[u8],
    ) -> Result<RatchetCiphertext, EncryptionError> {
        if plaintext.len() > MAX_RATCHET_CIPHERTEXT - AEAD_TAG_LENGTH {
            return Err(EncryptionError::TooLong);
        }
        let nonce = random.array();
        let ciphertext = aead_seal(&self.0, &nonce, associated, plaintext)?;
        let ciphertext = Bytes::new(ciphertext).map_err(|_| EncryptionError::TooLong)?;
        Ok(RatchetCiphertext { nonce, ciphertext })
    }

    /// Decrypts a message from the position that `associated` names.
    ///
    /// # Errors
    /// [`DecryptionError`] if it was encrypted under another key, at another position, or changed since.
    pub fn open(
        &self,
        associated: &[u8],
        ciphertext: &RatchetCiphertext,
    ) -> Result<Zeroizing<Vec<u8>>, DecryptionError> {
        aead_open(&self.0, &ciphertext.nonce, associated, ciphertext.ciphertext.as_slice())
    }
}

impl fmt::Debug for MessageKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("MessageKey(…)")
    }
}

/// A message under a ratchet's message key.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct RatchetCiphertext {
    /// Random, since the message key may meet other content after a crash.
    pub nonce: [u8; AEAD_NONCE_LENGTH],
    /// The encrypted message and its tag.
    pub ciphertext: Bytes<MAX_RATCHET_CIPHERTEXT>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_state_opens_no_earlier_message() {
        let mut random = Random::from_seed([1; 32]);
        let mut secret = RatchetSecret::random(&mut random);
        let mut sealed = Vec::new();
        for position in 0..8_u8 {
            let (next, key) = secret.step();
            sealed.push(key.seal(&mut random, &[position], b"message").unwrap());
            assert_eq!(key.open(&[position], &sealed[sealed.len() - 1]).unwrap().as_slice(), b"message");
            secret = next;
        }
        for _ in 0..16 {
            let (next, key) = secret.step();
            for (position, sealed) in sealed.iter().enumerate() {
                assert_eq!(key.open(&[position as u8], sealed), Err(DecryptionError));
            }
            secret = next;
        }
    }

    #[test]
    fn rotation_depends_on_both_the_key_and_the_fresh_randomness() {
        let first = RatchetSecret::from_bytes([1; 32]);
        let second = RatchetSecret::from_bytes([2; 32]);
        assert_ne!(first.rotate(&[3; 32]), first.rotate(&[4; 32]));
        assert_ne!(first.rotate(&[3; 32]), second.rotate(&[3; 32]));
        assert_ne!(first.rotate(&[3; 32]), first.step().0);
    }
}
