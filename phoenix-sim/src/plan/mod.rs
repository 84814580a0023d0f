//! What is decided before a world begins: its users and what they want, its homeservers and what goes wrong
//! with them.
//!
//! [`generate`](crate::generate) makes a plan from a seed; a test may write one by hand. Everything else that
//! happens follows from the plan.
//!
//! * `settings`: its size, its cryptography, and the bug to plant.
//! * `world`: the plan itself, and that of each homeserver.
//! * `intents`: what users want.
//! * `faults`: what goes wrong at a time that the plan names.

mod faults;
mod intents;
mod settings;
mod world;

pub use faults::{Damage, DamagedRows, DeviceCopy, Fault, FaultKind};
pub use intents::{Action, GroupNumber, Intent};
pub use settings::{Bug, Cryptography, Settings};
pub use world::{Plan, ServerPlan};
