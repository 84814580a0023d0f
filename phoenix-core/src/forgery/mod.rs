//! PROTOCOL.md §12 — what dishonest homeservers and clients make, for simulators, demonstrations and tests; contains no
//! protocol rule.
//!
//! An attacker with the keys of a homeserver of its own can sign any frame, in any name, and can read all
//! that is sent to it. This module makes such frames and reads such secrets, and refuses nothing. The
//! caller's names and keys decide whether a frame is honest:
//!
//! * a [`FrameHeader`] with the caller's own names and key makes frames that an honest homeserver accepts;
//! * with another source, key id, destination or time, or signed with another key, it makes frames that an
//!   honest homeserver must refuse (PROTOCOL.md §9, Receiving).
//!
//! * `frames`: frames, and the requests that carry them.
//! * `messages`: messages that no client asked for, and the configurations that carry them.
//! * `requests`: requests that are signed in any name, by any key.
//!
//! Only builds with the feature `forgery` have it. No other module of this crate uses it.

mod frames;
mod messages;
mod requests;
#[cfg(test)]
mod tests;

pub use frames::{FrameHeader, frame_request};
pub use messages::{receipt_for, unbound_config};
pub use requests::sign_request;
