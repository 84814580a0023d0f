//! PROTOCOL.md §2, Requests and responses — what happens to a homeserver, and the operation that serves it.

use super::{request, timer};
use crate::{
    homeserver::Homeserver,
    operation::{Operation, Timer},
    time::Timestamp,
};

/// Something that happens to a homeserver.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// The bytes of a request arrived.
    Request(&'a [u8]),
    /// A timer is due.
    Timer(&'a Timer),
}

impl Homeserver {
    /// Begins to serve `input`. `now` is the time; `seed` is 32 fresh random bytes, which no other call may get.
    ///
    /// See [`crate::operation`] for how to go on.
    pub fn accept(&self, input: Input<'_>, now: Timestamp, seed: [u8; 32]) -> Operation {
        match input {
            Input::Request(bytes) => request::accept(self, bytes, now, seed),
            Input::Timer(timer) => timer::accept(self, timer.clone(), now, seed),
        }
    }
}
