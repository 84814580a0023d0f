//! PROTOCOL.md §8 — tests of the delivery service's view of a group, against real MLS clients.
#![cfg(feature = "client")]

mod changes;
mod client;
mod foreign;
mod records;
mod refusals;
