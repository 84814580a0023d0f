//! PROTOCOL.md §2 — what travels: the envelope of every request and answer, and one file per family of messages.

pub mod auth_service;
pub mod delivery_service;
pub mod envelope;
pub mod fan_out;
pub mod federation;
pub mod message;
pub mod operations;
pub mod queues;
pub mod queuing_service;
#[cfg(test)]
mod tests;
