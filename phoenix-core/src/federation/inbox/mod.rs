//! PROTOCOL.md §9, Receiving — what another homeserver delivers: each check in its order, then one commit.
//!
//! * `receive`: a frame's way, up to the signature that authenticates its source.
//! * `source`: what is known of a source: its streams, and its rate.
//! * `stream`: a frame's place in its stream, and what becomes of its entries.

mod receive;
mod source;
mod stream;

pub(crate) use source::is_over;
