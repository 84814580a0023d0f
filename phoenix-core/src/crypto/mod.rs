//! PROTOCOL.md §3 — the cryptography of the protocol, each use of it under a label of its own.
//!
//! In reading order:
//!
//! | read | for |
//! | --- | --- |
//! | [`labels`] | the complete list of what is signed, derived and sealed |
//! | [`kdf`] | hashes and derived keys: SHA-256, HKDF-SHA-256 |
//! | [`sign`] | signatures: Ed25519 |
//! | [`aead`] | AES-128-GCM, and the encryption of records at rest (EAR) |
//! | [`hpke`] | sealing to a public key: HPKE, X25519 |
//! | [`padding`] | the sizes that messages are padded to |
//! | [`ratchet`] | queues and federated streams: forward secrecy and recovery |
//! | [`tokens`] | Privacy Pass tokens: issued blindly, spent once |
#![cfg_attr(feature = "opaque", doc = "| [`opaque`] | passwords that the server never sees |")]
//! | [`provider`], [`hash_memo`] | what MLS runs on, and the memory that makes large groups fast |
#![cfg_attr(
    feature = "null-cryptography",
    doc = "| [`null`] | what takes the place of all of it in large simulations |"
)]
//!
//! What holds in all of them: nothing signed, derived or sealed for one use is valid for another; randomness
//! comes from the caller ([`Random`](crate::rng::Random)), so equal inputs give equal bytes; the types of
//! secrets compare in constant time, show nothing of them in `Debug`, and overwrite them when they are
//! dropped; what cannot be verified or decrypted is an error of its own type, never a panic.

/// Returns `$null` if the null provider is on: never, outside the simulator's builds.
macro_rules! if_null {
    ($null:expr) => {
        #[cfg(feature = "null-cryptography")]
        {
            if $crate::crypto::null::is_on() {
                return $null;
            }
        }
    };
}

pub mod aead;
pub mod hash_memo;
pub mod hpke;
pub mod kdf;
pub mod labels;
#[cfg(feature = "null-cryptography")]
pub mod null;
#[cfg(feature = "opaque")]
pub mod opaque;
pub mod padding;
pub mod provider;
pub mod ratchet;
pub mod sign;
#[cfg(test)]
pub(crate) mod tests;
pub mod tokens;
