//! PROTOCOL.md §9, Outbox — streams to other homeservers: appended to by the distributor, delivered by a
//! timer, kept across restarts and outages, bounded by count and age.
//!
//! * `rows`: what all of them keep.
//! * `append`: one more entry, and what has to make room for it.
//! * `ageing`: what has waited for too long.
//! * `waiting`: what goes into one frame.
//! * `answers`: what the answer to a frame means for its stream.
//! * `delivery`: one frame at a time, from the oldest undelivered entry on.

mod ageing;
mod answers;
mod append;
mod delivery;
mod rows;
mod waiting;

pub(crate) use append::{append, row_over_bound, rows};
pub(crate) use delivery::deliver;
