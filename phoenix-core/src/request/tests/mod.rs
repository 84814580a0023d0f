//! PROTOCOL.md §2 — what all requests have in common.
#![cfg(feature = "client")]

mod idempotency;
mod redemption;
