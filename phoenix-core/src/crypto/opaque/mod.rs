//! PROTOCOL.md §3, Passwords — OPAQUE (RFC 9807): the server never sees a password, not even at registration.
//!
//! OPAQUE-3DH over ristretto255 with SHA-512; the client stretches the password with Argon2id. Messages are
//! byte strings of fixed lengths, and only the one valid encoding of each is accepted. [`OpaqueServer`] is
//! one side, [`ClientRegistration`] and [`ClientLogin`] are the other; [`PasswordHashing`] is what a guess
//! costs.

mod client;
#[cfg(feature = "null-cryptography")]
mod null;
mod server;
mod suite;
#[cfg(test)]
mod tests;

pub use client::{ClientLogin, ClientRegistration};
pub use server::OpaqueServer;
pub use suite::{OpaqueError, PasswordHashing, SessionKey};
