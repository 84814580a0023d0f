//! From a seed to a plan: the sizes come from [`Settings`](crate::plan::Settings), everything else is drawn.
//!
//! * `phases`: when what begins.
//! * `servers`: the homeservers and their settings.
//! * `people`: what users want.
//! * `faults`: what goes wrong.
//! * `periodic`: who looks again from time to time.
//! * `hastened`: settings under which rare things happen often.
//! * `whole`: all of it together.

mod faults;
mod hastened;
mod people;
mod periodic;
mod phases;
mod servers;
mod whole;

pub use whole::{plan, seed_bytes};
