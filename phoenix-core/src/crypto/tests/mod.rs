//! PROTOCOL.md §3 — tests of the cryptography, and what tests against published vectors need.

#[cfg(feature = "null-cryptography")]
mod null;
mod provider;
pub(crate) mod vectors;
