//! PROTOCOL.md §9, Outbox — streams to other homeservers: appended to by the distributor, delivered by a timer, kept
//! across restarts and outages, bounded by count and age.
//!
//! * `append`: one more entry, and what has to make room for it.
//! * `delivery`: one frame at a time, from the oldest undelivered entry on.
//! * `answers`: what the answer to a frame means for its stream.
//! * `ageing`: what has waited for too long.
//! * `rows`: what all of them keep.

mod ageing;
mod answers;
mod append;
mod delivery;
mod rows;

pub(crate) use append::{append, row_over_bound, rows};
pub(crate) use delivery::deliver;
