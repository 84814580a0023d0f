//! PROTOCOL.md §9 — federation: whom to trust for whose keys, streams to other homeservers and from them.
//!
//! * `policy`: with whom at all.
//! * `outbox`: streams to others; `backoff`: when to try again.
//! * `authorization`: who may deliver for a group.
//! * `inbox`: streams from others, each check in its order; `rate_limit`: how much of them.

pub(crate) mod authorization;
pub mod backoff;
pub(crate) mod inbox;
pub mod outbox;
pub(crate) mod peer;
mod stream;

#[cfg(test)]
pub(crate) mod tests;
