//! PROTOCOL.md §9, Key distribution — the published keys of other homeservers, fetched, validated and kept.
//!
//! A set is used until it expires, and goes then; it is refreshed when it is older than the refresh interval,
//! and once when a key id is unknown. Neither a failed fetch nor a wrong answer erases a set that is still
//! valid; the set is not asked for again too soon. Strangers can have sets asked for, so how often they do is
//! limited. Equal questions under way at the same time are one fetch: see [`Ask`](crate::operation::Ask) and
//! [`crate::operation`].
//!
//! * `published`: the kinds of sets.
//! * `cache`: the rows that keep them.
//! * `current`: the set in force, kept, refreshed or fetched.

mod cache;
mod current;
mod published;

pub(crate) use cache::{expired, rows, rows_before_asking};
pub(crate) use current::{Caller, current, queuing_keys};
