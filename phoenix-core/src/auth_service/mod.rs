//! PROTOCOL.md §6 — the authentication service: accounts and credentials, connection requests, tokens.
//!
//! * `registration`: a user with its first client, in two steps; `password`: its password by OPAQUE.
//! * `accounts`: users and clients on record.
//! * `connections`, `direct_queue`: how strangers ask a user for a connection.
//! * `keys`: published credentials.
//! * `tokens`: tokens for clients, within allowances.

mod accounts;
mod connections;
pub(crate) mod direct_queue;
mod keys;
mod password;
mod registration;
pub(crate) mod tokens;

#[cfg(test)]
mod tests;
