//! PROTOCOL.md §9 — federation between homeservers in memory, through the real operations.

mod distributor;
mod first_contact;
#[cfg(feature = "client")]
mod key_cache;
mod outages;
mod outbox;
mod receiver;
mod receiver_streams;
mod schedules;
mod sender;
