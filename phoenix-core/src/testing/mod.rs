//! Tests that drive whole operations: homeservers in one process, over a store in memory.
//!
//! * `world`: what an embedder brings, small and exact, with faults at will.
//! * `fixtures`, `people`, `groups` and `samples`: users, tokens, records and groups made with real cryptography.
//! * `refusals`: each operation against every way to ask wrongly.
//! * `exactness`: which records an operation reads and writes, and what it has done.
//! * `generate` and `wire`: random values of every message, and their encoding.
//! * the others: one behaviour of the protocol each.

#[cfg_attr(
    not(feature = "client"),
    expect(dead_code, unused_imports, reason = "what only tests with clients need")
)]
pub(crate) mod world;

mod core;
mod generate;
pub(crate) mod messages;
mod wire;

#[cfg(feature = "client")]
mod allowances;
pub(crate) mod body;
#[cfg(feature = "client")]
mod commits;
#[cfg(feature = "client")]
mod creation;
#[cfg(feature = "client")]
mod damage;
#[cfg(feature = "client")]
mod exactness;
#[cfg(feature = "client")]
mod expiry;
#[cfg(feature = "client")]
mod fixtures;
#[cfg(feature = "client")]
mod groups;
#[cfg(feature = "client")]
mod idempotency;
#[cfg(feature = "client")]
mod key_cache;
#[cfg(feature = "client")]
mod packages;
#[cfg(feature = "client")]
mod people;
#[cfg(feature = "client")]
mod queues;
#[cfg(feature = "client")]
mod refusals;
#[cfg(feature = "client")]
mod registration;
#[cfg(feature = "client")]
mod samples;
#[cfg(feature = "client")]
mod sizes;
#[cfg(feature = "client")]
mod tokens;
