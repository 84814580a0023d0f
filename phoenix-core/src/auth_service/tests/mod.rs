//! PROTOCOL.md §6 — users, and the tokens that they are issued.
#![cfg(feature = "client")]

mod allowances;
mod registration;
mod tokens;
