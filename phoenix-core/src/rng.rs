//! PROTOCOL.md §2, Determinism and storage — randomness as it comes in from outside: streams that are a
//! function of a seed, never ambient.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// A cryptographically secure stream of random bytes (ChaCha20) that is a function of its seed.
///
/// The seed is 32 bytes that a driver draws for each operation and uses once: what is drawn from it becomes
/// keys and nonces.
///
/// ```
/// use phoenix_core::rng::Random;
/// let mut first = Random::from_seed([7; 32]);
/// let mut second = Random::from_seed([7; 32]);
/// assert_eq!(first.array::<16>(), second.array::<16>());
/// ```
pub struct Random(ChaCha20Rng);

impl Random {
    /// Returns the stream of `seed`, from its start.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(ChaCha20Rng::from_seed(seed))
    }

    /// Returns the stream of `seed`, `label` and `parts`, from its start. Streams of different labels or
    /// parts are independent.
    pub fn derive(seed: &[u8; 32], label: &str, parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        hash.update(seed);
        for part in std::iter::once(label.as_bytes()).chain(parts.iter().copied()) {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self::from_seed(hash.finalize().into())
    }

    /// Draws `N` random bytes.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// Draws an integer below `bound`, each with the same probability; 0 if `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        // 128 bits against 64: the bias is below 2^-64.
        let wide = u128::from_le_bytes(self.array());
        if bound == 0 { 0 } else { (wide % u128::from(bound)) as u64 }
    }

    /// Returns the generator in the form that cryptographic libraries take.
    pub fn generator(&mut self) -> &mut ChaCha20Rng {
        &mut self.0
    }
}
