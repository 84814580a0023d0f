//! The [`Environment`](crate::node::Environment) of a homeserver on this machine: the system's clock and
//! random generator, and other homeservers over the network.

mod meter;
mod sources;
mod system;

pub use self::{
    meter::Meter,
    sources::{now, seed},
    system::System,
};
