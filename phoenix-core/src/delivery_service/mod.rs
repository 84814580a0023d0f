//! PROTOCOL.md §8 — the delivery service: owns groups, validates every commit, orders what is sent, and hands
//! it to the distributor.
//!
//! * `group`: access to a group by its id and key; `sections`: its state, encrypted under that key.
//! * `commit`: what all commits have in common; `create`, `membership` and `external`: each of them.
//! * `message`: application messages and queue configurations; `welcome`: what joiners fetch.
//! * `fan_out`: who gets what.

mod commit;
pub(crate) mod create;
pub(crate) mod external;
mod fan_out;
mod group;
pub(crate) mod keys;
pub(crate) mod membership;
pub(crate) mod message;
mod sections;
#[cfg(test)]
mod tests;
pub(crate) mod welcome;
