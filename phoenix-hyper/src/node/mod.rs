//! A node: drives a homeserver's operations over a store.
//!
//! * Operations of one lane run first in, first out; all others run at once, up to a bound.
//! * Timers are rows. A node finds them in the store when it starts and from time to time, and keeps those
//!   that it schedules itself in memory.
//! * Operations run on a runtime of their own, so that cryptography never blocks the threads that serve
//!   sockets.
//!
//! A node needs a [store](crate::store) and an [`Environment`].

mod drive;
mod environment;
mod lanes;
mod limits;
mod listeners;
mod peer_requests;
mod schedule;
mod serve;
mod state;
mod timers;

pub use self::{
    environment::{Environment, Observation},
    limits::NodeLimits,
    listeners::Listener,
    state::Node,
};
