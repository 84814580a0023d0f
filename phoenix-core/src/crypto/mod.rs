//! protocol.md §3 — the cryptography of the protocol: each primitive under labels of its own.

pub mod kdf;
pub mod labels;
pub mod sign;
