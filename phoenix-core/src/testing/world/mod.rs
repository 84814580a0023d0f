//! The world of all tests that drive operations: homeservers with their rows, one clock, and what goes wrong.
//!
//! * `homeservers`: homeservers to begin with, always the same ones.
//! * `drive`: operations driven to their end, with a record of all that each of them does.
//! * `timers`: timers as a node finds them, and the check after every commit that what waits has a timer.
//! * `faults` and `network`: what goes wrong with steps, commits and questions to others.

mod drive;
mod faults;
mod homeservers;
mod network;
mod recorded;
mod state;
mod timers;

pub use self::{
    faults::Trouble,
    homeservers::{NOW, domain, homeserver, keys},
    recorded::Recorded,
    state::World,
};
