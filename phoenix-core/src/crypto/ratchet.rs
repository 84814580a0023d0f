//! PROTOCOL.md §3 — the queue encryption ratchet: forward secrecy from each step, recovery from rotation.
//!
//! [`RatchetSecret`] and [`MessageKey`] are the primitive, which federated streams use by themselves.
//! [`QueueRatchet`] is a queue as its service sees it. The owner's side is [`QueueReader`].
//!
//! A ratchet's state is stored in the same batch as the entry it made. If that batch is lost, the service goes
//! on from the state before it: the same message key then meets other content, which is why each entry carries
//! a random nonce besides its position.

use std::{fmt, time::Duration};

use subtle::ConstantTimeEq;
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{
    aead::{
        AEAD_KEY_LENGTH, AEAD_NONCE_LENGTH, AEAD_TAG_LENGTH, DecryptionError, EncryptionError, aead_open,
        aead_seal,
    },
    hpke::{HpkeCiphertext, HpkePublicKey},
    kdf::{self, Hash},
    labels::Label,
    padding::pad,
};
use crate::{
    codec::{Bytes, encode},
    rng::Random,
    time::Timestamp,
};

pub use super::ratchet_reader::{QueueReadError, QueueReader};

/// The longest ciphertext of one entry, in bytes.
pub const MAX_RATCHET_CIPHERTEXT: usize = (6 << 20) + AEAD_TAG_LENGTH;

/// The smallest size to which a queue's messages are padded, in bytes.
pub const SMALLEST_ENTRY: usize = 256;

/// A ratchet key: what all later message keys follow from, and no earlier one.
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

    /// The next ratchet key, and the key for one message. Whoever has taken the step drops this key.
    pub fn step(&self) -> (Self, MessageKey) {
        let next = kdf::derive(&self.0, Label::RATCHET_NEXT, &[]);
        let message = kdf::derive(&self.0, Label::RATCHET_MESSAGE, &[]);
        (Self(*next), MessageKey(*message))
    }

    /// The ratchet key after mixing in `fresh` randomness.
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

/// The key of one message.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct MessageKey([u8; AEAD_KEY_LENGTH]);

impl MessageKey {
    /// Encrypts a message at the position that `associated` names.
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

    /// Decrypts a message.
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
    /// Random: the message key may meet other content after a crash.
    pub nonce: [u8; AEAD_NONCE_LENGTH],
    /// The encrypted message.
    pub ciphertext: Bytes<MAX_RATCHET_CIPHERTEXT>,
}

/// One entry of a queue.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct QueueEntry {
    /// The generation of the queue's key.
    pub generation: u32,
    /// The position in the queue.
    pub sequence: u64,
    /// What stands there.
    pub content: QueueEntryContent,
}

impl QueueEntry {
    /// What the owner names the entry by that it has read last.
    pub fn hash(&self) -> Hash {
        kdf::hash(Label::QUEUE_ENTRY, &[&encode(self)])
    }
}

/// What an entry of a queue is.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub enum QueueEntryContent {
    /// The first ratchet key of a generation, sealed to the owner.
    #[tls_codec(discriminant = 1)]
    RatchetKey(HpkeCiphertext),
    /// Fresh randomness for the ratchet key, sealed to the owner.
    #[tls_codec(discriminant = 2)]
    Rotation(HpkeCiphertext),
    /// A padded message.
    #[tls_codec(discriminant = 3)]
    Message(RatchetCiphertext),
}

/// The place an entry belongs to: part of what is authenticated.
pub(super) fn position(queue_name: &[u8], generation: u32, sequence: u64) -> Vec<u8> {
    #[derive(TlsSize, TlsSerialize)]
    struct Position {
        generation: u32,
        sequence: u64,
    }
    // The queue's name comes last, so no length is needed to tell the parts apart.
    let mut bytes = encode(&Position { generation, sequence });
    bytes.extend_from_slice(queue_name);
    bytes
}

/// A queue's ratchet as its service sees it. Its row is sealed under a service key by the caller.
#[derive(Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct QueueRatchet {
    generation: u32,
    next_sequence: u64,
    secret: RatchetSecret,
    rotated_at: Timestamp,
    owner: HpkePublicKey,
}

impl QueueRatchet {
    /// Starts a queue, or a new generation of one. The entry takes position `first_sequence`, which must not
    /// lie below what the owner has read already.
    ///
    /// # Errors
    /// [`EncryptionError::InvalidPublicKey`] if nothing can be sealed to `owner`.
    pub fn start(
        random: &mut Random,
        owner: HpkePublicKey,
        queue_name: &[u8],
        generation: u32,
        first_sequence: u64,
        now: Timestamp,
    ) -> Result<(Self, QueueEntry), EncryptionError> {
        let secret = RatchetSecret::random(random);
        let associated = position(queue_name, generation, first_sequence);
        let sealed = owner.seal(random, Label::SEAL_RATCHET_KEY, &associated, secret.as_bytes())?;
        let next_sequence = first_sequence.saturating_add(1);
        let content = QueueEntryContent::RatchetKey(sealed);
        let ratchet = Self { generation, next_sequence, secret, rotated_at: now, owner };
        Ok((ratchet, QueueEntry { generation, sequence: first_sequence, content }))
    }

    /// The generation of the queue's key.
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// The position the next entry will take.
    pub const fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// The key of the queue's owner.
    pub const fn owner(&self) -> HpkePublicKey {
        self.owner
    }

    /// Encrypts a message, padded, and takes a step.
    ///
    /// # Errors
    /// [`EncryptionError::TooLong`] if it does not fit into an entry. The ratchet is unchanged then.
    pub fn append(
        &mut self,
        random: &mut Random,
        queue_name: &[u8],
        plaintext: &[u8],
    ) -> Result<QueueEntry, EncryptionError> {
        let padded = Zeroizing::new(pad(plaintext, SMALLEST_ENTRY)?);
        let (next, key) = self.secret.step();
        let associated = position(queue_name, self.generation, self.next_sequence);
        let sealed = key.seal(random, &associated, &padded)?;
        Ok(self.advance(next, QueueEntryContent::Message(sealed)))
    }

    /// Whether the last rotation is `interval` ago.
    pub fn rotation_due(&self, now: Timestamp, interval: Duration) -> bool {
        now.since(self.rotated_at) >= interval
    }

    /// Mixes fresh randomness into the ratchet key and tells the owner: whoever stole the old key is locked
    /// out.
    ///
    /// # Errors
    /// [`EncryptionError`] if nothing can be sealed to the owner. The ratchet is unchanged then.
    pub fn rotate(
        &mut self,
        random: &mut Random,
        queue_name: &[u8],
        now: Timestamp,
    ) -> Result<QueueEntry, EncryptionError> {
        let fresh = Zeroizing::new(random.array());
        let associated = position(queue_name, self.generation, self.next_sequence);
        let sealed = self.owner.seal(random, Label::SEAL_RATCHET_ROTATION, &associated, fresh.as_slice())?;
        self.rotated_at = now;
        Ok(self.advance(self.secret.rotate(&fresh), QueueEntryContent::Rotation(sealed)))
    }

    fn advance(&mut self, secret: RatchetSecret, content: QueueEntryContent) -> QueueEntry {
        let entry = QueueEntry { generation: self.generation, sequence: self.next_sequence, content };
        self.secret = secret;
        self.next_sequence = self.next_sequence.saturating_add(1);
        entry
    }
}

impl fmt::Debug for QueueRatchet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "QueueRatchet(generation {}, next {})", self.generation, self.next_sequence)
    }
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

    #[test]
    fn what_fails_changes_nothing() {
        let mut random = Random::from_seed([2; 32]);
        let now = Timestamp::from_milliseconds(5);
        let refused = QueueRatchet::start(&mut random, HpkePublicKey([0; 32]), b"queue", 0, 0, now);
        assert_eq!(refused.unwrap_err(), EncryptionError::InvalidPublicKey);
        let owner = crate::crypto::hpke::HpkePrivateKey::generate(&mut random).public_key();
        let (mut ratchet, _) = QueueRatchet::start(&mut random, owner, b"queue", 0, 0, now).unwrap();
        let before = ratchet.clone();
        let too_long = vec![0; MAX_RATCHET_CIPHERTEXT];
        assert_eq!(ratchet.append(&mut random, b"queue", &too_long), Err(EncryptionError::TooLong));
        assert_eq!(ratchet, before);
        // The longest message that fits is the largest bucket less its length.
        let longest = vec![0; MAX_RATCHET_CIPHERTEXT - AEAD_TAG_LENGTH - 4];
        assert!(ratchet.append(&mut random, b"queue", &longest).is_ok());
        assert_eq!(format!("{before:?}"), "QueueRatchet(generation 0, next 1)");
        assert!(!ratchet.rotation_due(now, Duration::from_millis(1)));
        assert!(ratchet.rotation_due(now + Duration::from_millis(1), Duration::from_millis(1)));
    }
}
