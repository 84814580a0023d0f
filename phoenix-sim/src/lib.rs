//! Deterministic simulation of many Phoenix homeservers with real clients.
//!
//! A world has homeservers with crashing processes and failing stores, a network that loses, doubles and delays,
//! users with the real client, and a dishonest homeserver. One seed decides everything; the same seed gives the
//! same world to the last byte. Oracles watch what must hold whatever goes wrong (PROTOCOL.md §12).
//!
//! Reading order: [`plan`] (what is to happen), [`world`] (how it happens), [`node`] (how a process drives
//! operations), [`disk`] and [`network`] (what goes wrong), [`adversary`] (who lies), [`oracle`] (what must
//! hold), [`interpose`] (why it can be repeated).

pub mod adversary;
pub mod clock;
pub mod disk;
pub mod generate;
pub mod interpose;
pub mod network;
pub mod node;
pub mod oracle;
pub mod plan;
pub mod report;
pub mod schedule;
pub mod server;
pub mod trace;
pub mod user;
pub mod world;
