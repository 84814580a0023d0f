//! protocol.md §9 — federation between homeservers in memory, through the real operations.

mod distributor;
pub(crate) mod driver;
mod outages;
mod outbox;
mod receiver;
mod receiver_streams;
mod schedules;
mod sender;
