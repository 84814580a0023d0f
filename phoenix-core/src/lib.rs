//! wip
pub mod crypto;
pub mod identifiers;
pub mod rng;
pub mod time;
pub mod wire;
