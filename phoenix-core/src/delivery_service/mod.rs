//! PROTOCOL.md §8 — the delivery service owns groups: it validates every commit as a member would, puts all
//! messages of a group into one order, and hands them to the distributor.
//!
//! Members bring the key of their group's state with each request. The service keeps the key nowhere, so all
//! that it does with a group it does while a member asks for it.
//!
//! * `group`: access to a group by its id and key. `sections`: its state, encrypted under that key. `roster`:
//!   who is in it, and what is kept of each member.
//! * `commit`: what all commits have in common. `create`, `add_users`, `update_client` and `external`: how a
//!   group begins, and each kind of commit.
//! * `message`: application messages and queue configurations. `welcome`: what joiners fetch. `keys`: what
//!   the service publishes.
//! * `fan_out`: who gets what.

mod add_users;
mod commit;
mod create;
mod external;
mod fan_out;
mod group;
mod keys;
mod message;
mod roster;
mod sections;
#[cfg(test)]
mod tests;
mod update_client;
mod welcome;
