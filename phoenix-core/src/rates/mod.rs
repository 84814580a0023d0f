//! PROTOCOL.md §9, Rate limits — how much is taken in a time, and until when something waits: counted and
//! noted in rows, by nodes whose clocks differ.
//!
//! * `bucket`: a leaky bucket, for rates that are sustained.
//! * `window`: a count that begins anew with each period.
//! * `stored_time`: a time that a node notes, and another one reads.
//!
//! One rule holds for all of them. The clocks of the nodes of one store differ by a little: what one of them
//! notes can lie a little ahead of another's present, and counts. What lies further ahead than any node would
//! note it was noted while a clock was wrong, and does not: a clock that was wrong shuts no one out once it
//! is right again.

mod bucket;
mod stored_time;
mod window;

pub(crate) use bucket::{Bucket, Rate};
pub(crate) use stored_time::StoredTime;
pub(crate) use window::Window;
