//! Names: how a failure and a log call what has an id. The names are those of the plan.
//!
//! Whoever notes something writes ids, as they are displayed or debugged; when it is printed, the [`Book`]
//! replaces each by the name that it has learned for it.
//!
//! * `book`: the names, and how they are put into a text.
//! * `words`: what clients, users and timers do, in words.

mod book;
mod words;

pub use book::Book;
pub use words::{action, client_event, timer};
