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
//! * `bounds`: what homeservers and clients have little of.
//! * `packages`: how many packages clients publish.
//! * `harms`: what they may meet where a store is restored or damaged.
//! * `leniency`: what honest users may meet in a world.
//! * `rest`: when everything must have settled.
//! * [`durations`]: durations as people write them.
//! * `config`, `differences`: settings of homeservers in serialized form, as far as they are not the default.
//! * [`text`]: plans as text, to read, to write and to run again.
//! * `periodic`: what looks again from time to time.

mod bounds;
mod config;
mod differences;
pub mod durations;
mod faults;
mod harms;
mod intents;
mod leniency;
mod moments;
mod packages;
mod periodic;
mod rest;
mod settings;
pub mod text;
mod world;

pub use bounds::Bound;
pub use faults::{Damage, DamagedRows, DeviceCopy, Fault, FaultKind};
pub use harms::Harms;
pub use intents::{Action, GroupNumber, Intent};
pub use leniency::Leniency;
pub use packages::Packages;
pub use periodic::Periodic;
pub use rest::TIMEOUT;
pub use settings::{Bug, Cryptography, Settings};
pub use world::{Habits, Hostile, Loan, Plan, ServerPlan, UserPlan};
