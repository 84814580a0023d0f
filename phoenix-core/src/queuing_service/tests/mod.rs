//! PROTOCOL.md §7, Enqueue — who may deliver what to whom, and what a client finds in its queue.

mod authorisation;
pub(crate) mod client;
mod markers;
