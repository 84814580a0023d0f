//! PROTOCOL.md §3, Ratchets — an encrypted queue as its service sees it: entries, and the ratchet that makes
//! them.

use std::{fmt, time::Duration};

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};
use zeroize::Zeroizing;

use super::secret::{RatchetCiphertext, RatchetSecret};
use crate::{
    codec::encode,
    crypto::{
        aead::EncryptionError,
        hpke::{HpkeCiphertext, HpkePublicKey},
        kdf::{self, Hash},
        labels::Label,
        padding::pad,
    },
    rng::Random,
    time::{CLOCK_TOLERANCE, Timestamp},
};

/// The smallest size to which a queue's messages are padded, in bytes.
pub const SMALLEST_ENTRY: usize = 256;

/// One entry of a queue.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct QueueEntry {
    /// The generation of the queue's key; a new one begins with each key of the owner's.
    pub generation: u32,
    /// The position in the queue, counted on over all generations.
    pub sequence: u64,
    /// What the entry holds, encrypted for the owner.
    pub content: QueueEntryContent,
}

impl QueueEntry {
    /// The hash by which the owner names the entry that it read last.
    pub fn hash(&self) -> Hash {
        kdf::hash(Label::QUEUE_ENTRY, &[&encode(self)])
    }
}

/// The kinds of entries.
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

/// The position of an entry, which is authenticated along with its content.
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

/// A queue's ratchet at its service. The caller encrypts it before it is stored.
#[derive(Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct QueueRatchet {
    generation: u32,
    next_sequence: u64,
    secret: RatchetSecret,
    rotated_at: Timestamp,
    owner: HpkePublicKey,
}

impl QueueRatchet {
    /// Starts a queue, or a new generation of one: the ratchet, and the entry that seals its key to `owner`.
    /// The entry takes position `first_sequence`, which must not lie below what the owner has read.
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

    /// Pads and encrypts a message, and takes a step.
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

    /// Whether the last rotation is `interval` or longer ago, or was noted by a clock that was wrong.
    pub fn rotation_due(&self, now: Timestamp, interval: Duration) -> bool {
        now.since(self.rotated_at) >= interval || self.rotated_at > now + CLOCK_TOLERANCE
    }

    /// Mixes fresh randomness into the ratchet key and seals it to the owner: a thief of the old key cannot
    /// follow.
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
    use crate::crypto::{aead::AEAD_TAG_LENGTH, hpke::HpkePrivateKey, ratchet::MAX_RATCHET_CIPHERTEXT};
    use crate::time::DAY;

    #[test]
    fn what_fails_changes_nothing() {
        let mut random = Random::from_seed([2; 32]);
        let now = Timestamp::from_milliseconds(1_800_000_000_000);
        let refused = QueueRatchet::start(&mut random, HpkePublicKey([0; 32]), b"queue", 0, 0, now);
        assert_eq!(refused.unwrap_err(), EncryptionError::InvalidPublicKey);
        let owner = HpkePrivateKey::generate(&mut random).public_key();
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
        // It was made by a clock that was ahead.
        assert!(!ratchet.rotation_due(now - CLOCK_TOLERANCE, DAY));
        assert!(ratchet.rotation_due(now - CLOCK_TOLERANCE - Duration::from_millis(1), DAY));
    }
}
