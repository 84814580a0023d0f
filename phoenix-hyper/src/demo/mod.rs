//! `phoenix demo`: three homeservers on this machine, users who talk, an outage, and an attacker.
//!
//! Everything is as in production: each homeserver is a process of its own with a store on disk, all speak
//! TLS 1.3 over sockets, and the attacker has only what its place in the network gives it. Each step checks
//! what it shows. The first step that fails ends the demonstration, and is named.

mod evil;
pub mod people;
pub mod report;
mod run;
mod story;

pub use self::{
    evil::{EvilError, run as run_evil},
    run::{Options, run},
};
