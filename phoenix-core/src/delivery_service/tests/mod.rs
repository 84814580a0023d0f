//! PROTOCOL.md §8 — what the delivery service refuses although MLS does not, and what it never looks at.
#![cfg(feature = "client")]

mod commits;
mod creation;
mod sizes;
