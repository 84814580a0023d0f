//! PROTOCOL.md §3, Hashes and derived keys — hashes and derived keys, each under a label.

use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::labels::Label;

/// Length of a hash in bytes (SHA-256).
pub const HASH_LENGTH: usize = 32;

/// A SHA-256 hash, under one of the [labels](Label).
pub type Hash = [u8; HASH_LENGTH];

/// Returns the hash of `parts` under `label`: SHA-256 over the label and each part, each with its length in
/// front (8 bytes, big-endian). Equal bytes that are divided differently have different hashes.
pub fn hash(label: Label, parts: &[&[u8]]) -> Hash {
    let mut hash = Sha256::new();
    for part in std::iter::once(label.as_str().as_bytes()).chain(parts.iter().copied()) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// Derives `N` bytes (at most 8160) from `secret` for the use that `label` and `context` name: HKDF-SHA-256
/// without salt, its info being the [hash](hash()) of `context` under `label`.
pub fn derive<const N: usize>(secret: &[u8], label: Label, context: &[u8]) -> Zeroizing<[u8; N]> {
    let mut output = Zeroizing::new([0; N]);
    let info = hash(label, &[context]);
    let expanded = Hkdf::<Sha256>::new(None, secret).expand(&info, output.as_mut());
    debug_assert!(expanded.is_ok(), "N is a constant within HKDF's limit");
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_between_parts_matter() {
        assert_ne!(hash(Label::ROW_NAME, &[b"ab", b"c"]), hash(Label::ROW_NAME, &[b"a", b"bc"]));
        assert_ne!(hash(Label::ROW_NAME, &[b"a"]), hash(Label::FINGERPRINT, &[b"a"]));
    }
}
