//! From a seed to a plan: the sizes come from [`Settings`](crate::plan::Settings), everything else is drawn.
//!
//! * `phases`: when what begins, and for how long it goes on.
//! * `servers`: the homeservers and their settings.
//! * `bounds`: what there is little of.
//! * `people`: what users want.
//! * `periodic`: who looks again from time to time.
//! * `faults`, `clocks`: what goes wrong.
//! * `hastened`: settings under which rare things happen often.
//! * `malice`: who lends keys to attackers.
//! * `repair`: mishaps of machines and stores that operators meet.
//! * `whole`: all of it together.

mod bounds;
mod clocks;
mod faults;
mod hastened;
mod malice;
mod people;
mod periodic;
mod phases;
mod repair;
mod servers;
mod whole;

pub use whole::{plain, plan, seed_bytes};
