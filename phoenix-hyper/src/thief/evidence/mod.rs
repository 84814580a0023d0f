//! What the files say of each subject: a user, a queue, a group, a message, a spent token, a domain.
//!
//! The thief knows the subjects by the names of their rows, as a reader of the specification does, and
//! gathers the rows that mention them. [`rules`](super::rules) compare what was gathered.

mod grams;
mod mentions;
mod subject;
mod trace;

pub use self::{
    subject::Subject,
    trace::{Evidence, Trace},
};
