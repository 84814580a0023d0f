//! From a seed to a plan: the sizes come from [`Settings`](crate::plan::Settings), everything else is drawn.
//!
//! * `phases`: when what begins.
//! * `servers`: the homeservers and their settings.
//! * `people`: what users want.
//! * `faults`: what goes wrong.
//! * `malice`: who lends keys to attackers.
//! * `whole`: all of it together.

mod faults;
mod malice;
mod people;
mod phases;
mod servers;
mod whole;

pub use whole::{plan, seed_bytes};
