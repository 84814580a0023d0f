//! PROTOCOL.md §12 — the null provider: cryptography without secrecy, for simulations of many homeservers.
//!
//! **It protects nothing.** It exists with the feature `null-cryptography` only, which is the simulator's, and is
//! switched on for one thread at a time, by [`NullCryptography::switch_on`]. It takes the place of what costs
//! curve arithmetic: signatures, HPKE, tokens and passwords. All checks stay: what is changed, made for
//! another key, label or binding, or made by another key's owner, is refused as with real cryptography.
//! Hashes, key derivation and symmetric encryption are real.
//!
//! | primitive | null |
//! | --- | --- |
//! | public key | a hash of the private key |
//! | signature | a hash of public key and message |
//! | HPKE | the key is a hash of public key, encapsulated bytes and info |
//! | token | a hash of the issuer's public key and the nonce |
//! | OPAQUE | hashes of password and user |

use std::cell::Cell;

use super::aead::{AEAD_KEY_LENGTH, AEAD_NONCE_LENGTH, aead_open, aead_seal};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

thread_local! {
    static IS_ON: Cell<bool> = const { Cell::new(false) };
}

/// Null cryptography on this thread, until this is dropped.
#[must_use = "null cryptography ends when this is dropped"]
#[derive(Debug)]
pub struct NullCryptography {
    was_on: bool,
}

impl NullCryptography {
    /// Switches null cryptography on for this thread. Keys that were made before are useless until it is
    /// switched off, and the other way round.
    pub fn switch_on() -> Self {
        Self { was_on: IS_ON.replace(true) }
    }
}

impl Drop for NullCryptography {
    fn drop(&mut self) {
        IS_ON.set(self.was_on);
    }
}

/// Whether null cryptography is on for this thread.
pub(super) fn is_on() -> bool {
    IS_ON.get()
}

/// A hash of `parts`, for the use that `label` names.
pub(super) fn hash(label: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in std::iter::once(label.as_bytes()).chain(parts.iter().copied()) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// The same, of 64 bytes.
pub(super) fn long_hash(label: &str, parts: &[&[u8]]) -> [u8; 64] {
    let first = hash(label, parts);
    let second = hash("null, second half", &[&first]);
    let mut both = [0; 64];
    both[..32].copy_from_slice(&first);
    both[32..].copy_from_slice(&second);
    both
}

/// The public half of a private key.
pub(super) fn public_key(secret: &[u8; 32]) -> [u8; 32] {
    hash("null public key", &[secret])
}

/// A signature that the owner of this public key makes.
pub(super) fn signature(public: &[u8; 32], message: &[u8]) -> [u8; 64] {
    long_hash("null signature", &[public, message])
}

/// The key and the nonce that a message is sealed with.
fn sealing_key(public: &[u8; 32], encapsulated: &[u8; 32], info: &[u8]) -> [u8; AEAD_KEY_LENGTH] {
    let mut key = [0; AEAD_KEY_LENGTH];
    key.copy_from_slice(&hash("null HPKE", &[public, encapsulated, info])[..AEAD_KEY_LENGTH]);
    key
}

const NONCE: [u8; AEAD_NONCE_LENGTH] = [0; AEAD_NONCE_LENGTH];

/// Seals to a public key, `None` if it is the one that real cryptography refuses in tests, or if the plaintext
/// is too long.
pub(super) fn seal(
    public: &[u8; 32],
    encapsulated: &[u8; 32],
    info: &[u8],
    associated: &[u8],
    plaintext: &[u8],
) -> Option<Vec<u8>> {
    let valid = *public != [0; 32];
    valid.then(|| aead_seal(&sealing_key(public, encapsulated, info), &NONCE, associated, plaintext).ok())?
}

/// Opens what was sealed to the public half of a private key.
pub(super) fn open(
    secret: &[u8; 32],
    encapsulated: &[u8; 32],
    info: &[u8],
    associated: &[u8],
    ciphertext: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let key = sealing_key(&public_key(secret), encapsulated, info);
    aead_open(&key, &NONCE, associated, ciphertext).ok()
}

/// A secret that sender and receiver export.
pub(super) fn exported(
    public: &[u8; 32],
    encapsulated: &[u8; 32],
    info: &[u8],
    context: &[u8],
    length: usize,
) -> Vec<u8> {
    let mut secret = Vec::new();
    let mut counter = 0_u32;
    while secret.len() < length {
        let counted = counter.to_be_bytes();
        secret.extend(hash("null export", &[public, encapsulated, info, context, &counted]));
        counter += 1;
    }
    secret.truncate(length);
    secret
}
