//! PROTOCOL.md §6 — the authentication service: accounts and credentials, connection requests, tokens.

pub(crate) mod accounts;
pub(crate) mod connections;
pub(crate) mod direct_queue;
pub(crate) mod keys;
mod password;
pub(crate) mod registration;
#[cfg(test)]
mod tests;
pub mod tokens;
