//! Plans as text: everything that decides a world, in TOML that people read and write. The world of a plan
//! runs again after the generator of plans has changed.
//!
//! A field of a plan needs no more than the derives of serde to be part of the text. Durations are written as
//! in [`durations`](super::durations); what has its default is left out.
//!
//! * `error`: what is wrong with a text, and where.
//! * `value`: from parsed TOML to values, with the place of every error.
//! * `repeats`: intents that stand for several.
//! * `check`: whether what a plan names is in it.
//! * `read`, `write`: the two ways.
//! * `command`: settings as arguments of the command line.

mod check;
mod command;
mod error;
mod read;
mod repeats;
mod value;
mod write;

pub use command::run_command;
pub use error::PlanError;
