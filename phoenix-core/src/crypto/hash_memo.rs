//! PROTOCOL.md §3 — a bounded memory of hashes, so that a commit does not hash the group's whole tree again.

#[expect(
    clippy::disallowed_types,
    reason = "looked up in, never iterated over; and its hasher is not random"
)]
use std::collections::HashMap;
use std::{
    hash::{BuildHasherDefault, Hash, Hasher},
    sync::{Mutex, PoisonError},
};

use highway::{HighwayHash, HighwayHasher, Key};
use sha2::{Digest, Sha256};

/// SHA-256, remembering recent results.
///
/// MLS hashes the whole tree about twice per commit, and most of it is what it was at the commit before.
/// Inputs are told apart by a keyed hash (HighwayHash-256), so the key must be secret: an attacker who knew
/// it could make two inputs collide. Memory is bounded: results live in two generations, and when the younger
/// one is full it replaces the older.
pub struct HashMemo {
    key: [u64; 4],
    entries_per_generation: usize,
    generations: Mutex<Generations>,
}

#[expect(clippy::disallowed_types, reason = "see the import")]
type Generation = HashMap<InputId, [u8; 32], BuildHasherDefault<FirstWord>>;

#[derive(Default)]
struct Generations {
    current: Generation,
    previous: Generation,
}

impl HashMemo {
    /// A memory of at most `max_entries` results (some 100 bytes each), with a secret random `key`.
    pub fn new(key: [u8; 32], max_entries: usize) -> Self {
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(key.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        Self { key: words, entries_per_generation: max_entries / 2, generations: Mutex::default() }
    }

    /// Returns the SHA-256 of `input`.
    pub fn sha256(&self, input: &[u8]) -> [u8; 32] {
        let id = InputId(HighwayHasher::new(Key(self.key)).hash256(input));
        if let Some(digest) = self.get(&id) {
            return digest;
        }
        // Hashed without the lock: two threads may do the same work, with the same result.
        let digest = Sha256::digest(input).into();
        self.put(id, digest);
        digest
    }

    /// Returns the number of results that are remembered.
    pub fn entries(&self) -> usize {
        let generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        generations.current.len() + generations.previous.len()
    }

    fn get(&self, id: &InputId) -> Option<[u8; 32]> {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(digest) = generations.current.get(id) {
            return Some(*digest);
        }
        // Moved to the younger generation, so that what is in use survives the next change.
        let digest = generations.previous.remove(id)?;
        generations.insert(self.entries_per_generation, *id, digest);
        Some(digest)
    }

    fn put(&self, id: InputId, digest: [u8; 32]) {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        generations.insert(self.entries_per_generation, id, digest);
    }
}

impl Generations {
    fn insert(&mut self, limit: usize, id: InputId, digest: [u8; 32]) {
        if limit == 0 {
            return;
        }
        if self.current.len() >= limit {
            self.previous = std::mem::take(&mut self.current);
        }
        self.current.insert(id, digest);
    }
}

/// A keyed hash of an input.
#[derive(Clone, Copy, PartialEq, Eq)]
struct InputId([u64; 4]);

impl Hash for InputId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0[0]);
    }
}

/// The hash of an [`InputId`], which is a hash under a secret key already.
#[derive(Default)]
struct FirstWord(u64);

impl Hasher for FirstWord {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = word;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembered_results_are_the_true_ones_and_memory_is_bounded() {
        let memo = HashMemo::new([7; 32], 16);
        for round in 0..3 {
            for input in 0..100_u32 {
                let expected: [u8; 32] = Sha256::digest(input.to_be_bytes()).into();
                assert_eq!(memo.sha256(&input.to_be_bytes()), expected, "round {round}");
                assert_eq!(memo.sha256(&input.to_be_bytes()), expected, "round {round}, at once");
                assert!(memo.entries() <= 16);
            }
        }
        assert!(memo.entries() >= 8);
    }

    #[test]
    fn what_is_in_use_is_kept() {
        let memo = HashMemo::new([7; 32], 16);
        let used = InputId(HighwayHasher::new(Key(memo.key)).hash256(b"used"));
        memo.sha256(b"used");
        for input in 0..1000_u32 {
            memo.sha256(&input.to_be_bytes());
            if input % 4 == 0 {
                assert!(memo.get(&used).is_some(), "forgotten after {input}");
            }
        }
    }

    #[test]
    fn a_memo_without_room_still_hashes() {
        let memo = HashMemo::new([7; 32], 0);
        assert_eq!(memo.sha256(b"x"), memo.sha256(b"x"));
        assert_eq!(memo.entries(), 0);
    }
}
