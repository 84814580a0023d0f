//! PROTOCOL.md §6, §7 — pools and queues, through the operations that use them.
#![cfg(feature = "client")]

mod packages;
mod queues;
