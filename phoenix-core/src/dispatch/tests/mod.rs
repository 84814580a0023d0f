//! PROTOCOL.md §10 — timers: what they do, and which node does it.
#![cfg(feature = "client")]

mod expiry;
