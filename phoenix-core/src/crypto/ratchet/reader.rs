//! PROTOCOL.md §3, Ratchets — an encrypted queue as its owner reads it.

use std::fmt;

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};
use zeroize::Zeroizing;

use super::{
    queue::{QueueEntry, QueueEntryContent, position},
    secret::RatchetSecret,
};
use crate::crypto::{
    aead::DecryptionError,
    hpke::{HpkeCiphertext, HpkePrivateKey, HpkePublicKey},
    kdf::Hash,
    labels::Label,
    padding::{InvalidPadding, unpad},
};

/// Why an entry of a queue is not read. The reader is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QueueReadError {
    /// The entry was read before, or belongs to an earlier generation. Its position can be acknowledged.
    #[error("the entry was read already")]
    AlreadyRead,
    /// Entries are missing. The owner asks its service for those from `expected` on.
    #[error("entries are missing from {expected} on")]
    Gap {
        /// The position of the next entry to read.
        expected: u64,
    },
    /// Another kind of entry belongs at this position: the key of the entry's generation is missing, or is
    /// there twice. The service is at fault.
    #[error("another kind of entry belongs there")]
    OutOfPlace,
    /// The entry cannot be decrypted: it was damaged or made for another key. A new generation of the queue
    /// helps.
    #[error("the entry cannot be decrypted")]
    Undecryptable,
}

impl From<DecryptionError> for QueueReadError {
    fn from(_: DecryptionError) -> Self {
        Self::Undecryptable
    }
}

impl From<InvalidPadding> for QueueReadError {
    fn from(_: InvalidPadding) -> Self {
        Self::Undecryptable
    }
}

/// How many entries are passed over at most: each costs two hashes.
const MAX_SKIPPED: u64 = 1 << 16;

/// A queue as its owner reads it. A client stores it together with what it read, or it reads entries twice or
/// never.
#[derive(Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct QueueReader {
    private_key: HpkePrivateKey,
    generation: u32,
    next_sequence: u64,
    secret: Option<RatchetSecret>,
    last: Option<Hash>,
}

impl QueueReader {
    /// The reader of a queue of which nothing has been read.
    pub const fn new(private_key: HpkePrivateKey) -> Self {
        Self { private_key, generation: 0, next_sequence: 0, secret: None, last: None }
    }

    /// The key to which the queue is sealed.
    pub fn public_key(&self) -> HpkePublicKey {
        self.private_key.public_key()
    }

    /// The generation of the entry read last; 0 if none was.
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// The position of the next entry to read; everything below it has been read.
    pub const fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// The [hash](QueueEntry::hash) of the entry read last.
    pub const fn last(&self) -> Option<Hash> {
        self.last
    }

    /// The ratchet key, for a test that looks for it where it should not be.
    #[cfg(all(test, feature = "client"))]
    pub(crate) fn secret_bytes(&self) -> Option<Vec<u8>> {
        self.secret.as_ref().map(|secret| secret.as_bytes().to_vec())
    }

    /// Replaces the key to which the queue is sealed; the service starts a new generation with it. Entries of
    /// the current generation can be read still, rotations excepted.
    pub fn replace_key(&mut self, private_key: HpkePrivateKey) {
        self.private_key = private_key;
    }

    /// Reads the next entry: the message, or `None` if the entry concerns the ratchet alone.
    ///
    /// # Errors
    /// [`QueueReadError`]; the reader is unchanged then and still reads the right entry.
    pub fn open(
        &mut self,
        queue_name: &[u8],
        entry: &QueueEntry,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, QueueReadError> {
        let associated = position(queue_name, entry.generation, entry.sequence);
        let (secret, message) = match &entry.content {
            QueueEntryContent::RatchetKey(sealed) => {
                self.check_first(entry)?;
                (RatchetSecret::from_bytes(self.unseal(Label::SEAL_RATCHET_KEY, &associated, sealed)?), None)
            }
            QueueEntryContent::Rotation(sealed) => {
                let secret = self.check_next(entry)?;
                let fresh = Zeroizing::new(self.unseal(Label::SEAL_RATCHET_ROTATION, &associated, sealed)?);
                (secret.rotate(&fresh), None)
            }
            QueueEntryContent::Message(sealed) => {
                let (next, key) = self.check_next(entry)?.step();
                let padded = key.open(&associated, sealed)?;
                (next, Some(Zeroizing::new(unpad(&padded)?.to_vec())))
            }
        };
        // No position follows the last one.
        self.next_sequence =
            entry.sequence.checked_add(1).ok_or(QueueReadError::Gap { expected: self.next_sequence })?;
        self.generation = entry.generation;
        self.secret = Some(secret);
        self.last = Some(entry.hash());
        Ok(message)
    }

    /// As [`QueueReader::open`], but passes over entries that are missing before this one: an old copy of the
    /// reader catches up, as long as the key was not rotated in between.
    ///
    /// # Errors
    /// [`QueueReadError`]; the reader is unchanged then.
    pub fn open_or_skip(
        &mut self,
        queue_name: &[u8],
        entry: &QueueEntry,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, QueueReadError> {
        let opened = self.open(queue_name, entry);
        let Err(QueueReadError::Gap { expected }) = opened else { return opened };
        let missing = entry.sequence.saturating_sub(expected);
        let Some(secret) = self.secret.as_ref().filter(|_| (1..=MAX_SKIPPED).contains(&missing)) else {
            return opened;
        };
        let mut ahead = self.clone();
        let mut secret = secret.clone();
        for _ in 0..missing {
            secret = secret.step().0;
        }
        (ahead.secret, ahead.next_sequence) = (Some(secret), entry.sequence);
        let skipped = ahead.open(queue_name, entry)?;
        *self = ahead;
        Ok(skipped)
    }

    /// A generation's first entry may stand at any position that has not been read.
    fn check_first(&self, entry: &QueueEntry) -> Result<(), QueueReadError> {
        if entry.generation < self.generation {
            return Err(QueueReadError::AlreadyRead);
        }
        if entry.generation == self.generation && self.secret.is_some() {
            let read = entry.sequence < self.next_sequence;
            return Err(if read { QueueReadError::AlreadyRead } else { QueueReadError::OutOfPlace });
        }
        if entry.sequence < self.next_sequence {
            return Err(QueueReadError::Gap { expected: self.next_sequence });
        }
        Ok(())
    }

    /// Any other entry continues the current generation at the next position.
    fn check_next(&self, entry: &QueueEntry) -> Result<&RatchetSecret, QueueReadError> {
        if entry.generation < self.generation {
            return Err(QueueReadError::AlreadyRead);
        }
        let secret = self.secret.as_ref().filter(|_| entry.generation == self.generation);
        let secret = secret.ok_or(QueueReadError::OutOfPlace)?;
        match entry.sequence.cmp(&self.next_sequence) {
            std::cmp::Ordering::Less => Err(QueueReadError::AlreadyRead),
            std::cmp::Ordering::Equal => Ok(secret),
            std::cmp::Ordering::Greater => Err(QueueReadError::Gap { expected: self.next_sequence }),
        }
    }

    fn unseal(
        &self,
        label: Label,
        associated: &[u8],
        sealed: &HpkeCiphertext,
    ) -> Result<[u8; 32], QueueReadError> {
        let secret = self.private_key.open(label, associated, sealed)?;
        secret.as_slice().try_into().map_err(|_| QueueReadError::Undecryptable)
    }
}

impl fmt::Debug for QueueReader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "QueueReader(generation {}, next {})", self.generation, self.next_sequence)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        codec::{Bytes, decode, encode},
        crypto::ratchet::QueueRatchet,
        rng::Random,
        time::Timestamp,
    };

    const NAME: &[u8] = b"queue";
    const NOW: Timestamp = Timestamp::from_milliseconds(1);

    fn queue(seed: u8) -> (Random, QueueRatchet, QueueReader, QueueEntry) {
        let mut random = Random::from_seed([seed; 32]);
        let reader = QueueReader::new(HpkePrivateKey::generate(&mut random));
        let (ratchet, first) =
            QueueRatchet::start(&mut random, reader.public_key(), NAME, 1, 5, NOW).unwrap();
        (random, ratchet, reader, first)
    }

    /// Both sides as they come back from their stores.
    fn stored(ratchet: &QueueRatchet, reader: &QueueReader) -> (QueueRatchet, QueueReader) {
        (decode(&encode(ratchet)).unwrap(), decode(&encode(reader)).unwrap())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        /// Appends, rotations, new generations, and services that crash after making an entry, before storing
        /// it: the reader gets every message, once and in order.
        #[test]
        fn both_sides_stay_in_step(steps in proptest::collection::vec(0_u8..8, 0..60)) {
            let (mut random, mut ratchet, mut reader, first) = queue(1);
            let mut entries = vec![first];
            let mut expected = Vec::new();
            for (number, step) in steps.iter().enumerate() {
                let message = format!("message {number}").into_bytes();
                let before = ratchet.clone();
                match step {
                    0 => entries.push(ratchet.rotate(&mut random, NAME, NOW).unwrap()),
                    1 => {
                        let (generation, next) = (ratchet.generation() + 1, ratchet.next_sequence() + 3);
                        let owner = ratchet.owner();
                        let (fresh, entry) =
                            QueueRatchet::start(&mut random, owner, NAME, generation, next, NOW).unwrap();
                        ratchet = fresh;
                        entries.push(entry);
                    }
                    2 => {
                        ratchet.append(&mut random, NAME, b"lost in the crash").unwrap();
                        ratchet = before;
                    }
                    3 => {
                        ratchet.rotate(&mut random, NAME, NOW).unwrap();
                        ratchet = before;
                    }
                    _ => {
                        entries.push(ratchet.append(&mut random, NAME, &message).unwrap());
                        expected.push(message);
                    }
                }
                (ratchet, reader) = stored(&ratchet, &reader);
            }
            let mut read = Vec::new();
            for entry in &entries {
                let entry: QueueEntry = decode(&encode(entry)).unwrap();
                if let Some(message) = reader.open(NAME, &entry).unwrap() {
                    read.push(message.to_vec());
                }
                prop_assert_eq!(reader.open(NAME, &entry), Err(QueueReadError::AlreadyRead));
                (ratchet, reader) = stored(&ratchet, &reader);
            }
            prop_assert_eq!(read, expected);
            prop_assert_eq!(reader.next_sequence(), ratchet.next_sequence());
        }
    }

    #[test]
    fn an_entry_made_again_after_a_crash_differs_in_its_nonce() {
        let (mut random, mut ratchet, mut reader, first) = queue(2);
        reader.open(NAME, &first).unwrap();
        let mut crashed = ratchet.clone();
        let lost = crashed.append(&mut random, NAME, b"lost").unwrap();
        let kept = ratchet.append(&mut random, NAME, b"kept").unwrap();
        let (QueueEntryContent::Message(lost), QueueEntryContent::Message(kept_content)) =
            (&lost.content, &kept.content)
        else {
            panic!("not messages");
        };
        assert_ne!(lost.nonce, kept_content.nonce);
        assert_eq!(reader.open(NAME, &kept).unwrap().unwrap().as_slice(), b"kept");
    }

    #[test]
    fn entries_out_of_place_are_refused_and_change_nothing() {
        let (mut random, mut ratchet, mut reader, first) = queue(3);
        let message = ratchet.append(&mut random, NAME, b"message").unwrap();
        let rotation = ratchet.rotate(&mut random, NAME, NOW).unwrap();
        let last = ratchet.append(&mut random, NAME, b"last").unwrap();
        assert_eq!(reader.open(NAME, &message), Err(QueueReadError::OutOfPlace));
        assert_eq!(reader.open(b"other", &first), Err(QueueReadError::Undecryptable));
        reader.open(NAME, &first).unwrap();
        let before = reader.clone();

        assert_eq!(reader.open(NAME, &first), Err(QueueReadError::AlreadyRead));
        for later in [&rotation, &last] {
            assert_eq!(reader.open(NAME, later), Err(QueueReadError::Gap { expected: 6 }));
        }
        assert_eq!(reader.open(b"other", &message), Err(QueueReadError::Undecryptable));
        let moved = QueueEntry { sequence: 7, ..message.clone() };
        assert_eq!(reader.open(NAME, &moved), Err(QueueReadError::Gap { expected: 6 }));
        // The right position, but another entry's content.
        let moved = QueueEntry { sequence: 6, ..last.clone() };
        assert_eq!(reader.open(NAME, &moved), Err(QueueReadError::Undecryptable));
        let moved = QueueEntry { sequence: 6, ..rotation.clone() };
        assert_eq!(reader.open(NAME, &moved), Err(QueueReadError::Undecryptable));
        for generation in [0, 2] {
            let moved = QueueEntry { generation, ..message.clone() };
            assert!(reader.open(NAME, &moved).is_err());
        }
        let (_, again) = QueueRatchet::start(&mut random, reader.public_key(), NAME, 1, 6, NOW).unwrap();
        assert_eq!(reader.open(NAME, &again), Err(QueueReadError::OutOfPlace));
        let (_, behind) = QueueRatchet::start(&mut random, reader.public_key(), NAME, 2, 4, NOW).unwrap();
        assert_eq!(reader.open(NAME, &behind), Err(QueueReadError::Gap { expected: 6 }));
        assert_eq!(reader, before);

        assert_eq!(reader.open(NAME, &message).unwrap().unwrap().as_slice(), b"message");
        assert_eq!(reader.open(NAME, &rotation), Ok(None));
        assert_eq!(reader.open(NAME, &last).unwrap().unwrap().as_slice(), b"last");
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let (mut random, mut ratchet, mut reader, first) = queue(4);
        reader.open(NAME, &first).unwrap();
        let entry = ratchet.append(&mut random, NAME, b"message").unwrap();
        let QueueEntryContent::Message(sealed) = &entry.content else { panic!("not a message") };
        let before = reader.clone();
        for place in 0..sealed.ciphertext.as_slice().len() + 12 {
            let mut changed = sealed.clone();
            if place < 12 {
                changed.nonce[place] ^= 1;
            } else {
                let mut bytes = changed.ciphertext.into_vec();
                bytes[place - 12] ^= 1;
                changed.ciphertext = Bytes::new(bytes).unwrap();
            }
            let content = QueueEntryContent::Message(changed);
            let changed = QueueEntry { content, ..entry.clone() };
            assert_eq!(reader.open(NAME, &changed), Err(QueueReadError::Undecryptable));
        }
        assert_eq!(reader, before);
        assert!(reader.open(NAME, &entry).is_ok());
    }

    #[test]
    fn after_rotation_a_stolen_ratchet_key_is_worthless() {
        let (mut random, mut ratchet, mut reader, first) = queue(5);
        let message = ratchet.append(&mut random, NAME, b"before").unwrap();
        reader.open(NAME, &first).unwrap();
        reader.open(NAME, &message).unwrap();
        // Who stole the reader's state, but not its private key, cannot follow the rotation.
        let mut thief = reader.clone();
        thief.replace_key(HpkePrivateKey::generate(&mut random));
        let rotation = ratchet.rotate(&mut random, NAME, NOW).unwrap();
        let secret = ratchet.append(&mut random, NAME, b"after").unwrap();
        assert_eq!(thief.open(NAME, &rotation), Err(QueueReadError::Undecryptable));
        thief.next_sequence = secret.sequence;
        assert_eq!(thief.open(NAME, &secret), Err(QueueReadError::Undecryptable));
        assert_eq!(reader.open(NAME, &rotation), Ok(None));
        assert!(reader.open(NAME, &secret).unwrap().is_some());
    }

    #[test]
    fn messages_of_one_bucket_look_alike() {
        let (mut random, mut ratchet, _, _) = queue(6);
        let mut length = |content: &[u8]| encode(&ratchet.append(&mut random, NAME, content).unwrap()).len();
        assert_eq!(length(b""), length(&[7; 252]));
        assert!(length(&[7; 253]) > length(&[7; 252]));
    }
}
