//! PROTOCOL.md §7 — the queuing service: pseudonymous records, fan-out queues, key packages, and who may
//! deliver what to whom.
//!
//! * `records`: pseudonymous users and clients.
//! * `keys`, `key_packages`: what is published and handed out.
//! * `config`: sealed queue configurations.
//! * `enqueue`: whether a delivery is authorised; `fan_out_queue`: where it goes; `dequeue`: how it is read.

pub mod config;
mod dequeue;
pub(crate) mod enqueue;
mod fan_out_queue;
mod key_packages;
mod keys;
mod records;

#[cfg(test)]
pub(crate) mod tests;
