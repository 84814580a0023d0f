//! PROTOCOL.md §3 — tests of the cryptography, and what tests against published vectors need.

mod provider;
pub(crate) mod vectors;
