//! PROTOCOL.md §9 — federation: streams to other homeservers and from them.
//!
//! * `inbox`: streams from others, each check in its order.
//! * `outbox`: streams to others.
//! * `peer`: whether a peer is reachable; `backoff`: when to try again.
//! * `authorization`: which homeserver may deliver for a group.
//! * `stream`: how a stream is encrypted.

pub(crate) mod authorization;
mod backoff;
pub(crate) mod inbox;
pub(crate) mod outbox;
mod peer;
mod stream;

#[cfg(test)]
pub(crate) mod tests;
