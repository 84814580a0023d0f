//! PROTOCOL.md §7 — the queuing service: pseudonymous records, fan-out queues, key packages, and who may
//! deliver what to whom.

pub mod config;
pub(crate) mod dequeue;
pub(crate) mod enqueue;
pub(crate) mod fan_out_queue;
pub(crate) mod key_packages;
pub(crate) mod keys;
pub(crate) mod records;

#[cfg(test)]
pub(crate) mod tests;
