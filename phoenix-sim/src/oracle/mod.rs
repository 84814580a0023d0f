//! What must hold of every world (PROTOCOL.md §12), one property a file.
//!
//! Oracles see what users' clients report, what homeservers answer and what stores commit. They know nothing
//! of how any of it came about, and share no code with what they check except decoding and decryption.
//!
//! A new oracle is a file here with a type that remembers what it has seen and returns a [`Violation`], which
//! says what is wrong and, in one sentence, what should have happened instead. [`journeys`] helps it with how
//! far each message came.
//!
//! [`Oracles`] owns it and calls it from `observe`, `answered` or `commits`; [`rows`] opens committed rows
//! for it, and `change` shows rows before a commit and after it. [`NAMES`] names it, and `tests/plants.rs`
//! has a planted bug that it alone finds. What can only be judged at the end, it reports in a method that the
//! world's `unsettled` calls.

pub mod acknowledged;
pub mod allowances;
pub mod counted;
pub mod drained;
pub mod duplicates;
pub mod effects;
pub mod enqueued;
pub mod epochs;
pub mod excused;
pub mod journeys;
pub mod kept;
pub mod malformed;
pub mod misdelivered;
pub mod order;
pub mod queues;
pub mod refusals;
pub mod refused;
pub mod repaired;
pub mod restored;
pub mod reuse;
pub mod rows;
pub mod secrecy;
pub mod tokens;
pub mod waiting;

mod all;
mod change;
mod fields;
mod layout;
mod observation;
#[cfg(test)]
mod tests;
mod violation;

/// The names of all oracles, as failures show them. `drained` and `unfinished` judge the end of a world.
pub const NAMES: [&str; 22] = [
    "acknowledged",
    "allowances",
    "counted",
    "drained",
    "duplicates",
    "effects",
    "enqueued",
    "epochs",
    "kept",
    "malformed",
    "misdelivered",
    "order",
    "queues",
    "refusals",
    "refused",
    "repaired",
    "restored",
    "reuse",
    "secrecy",
    "tokens",
    "unfinished",
    "waiting",
];

pub use all::Oracles;
pub use observation::{Moment, Observation};
pub use repaired::Reader;
pub use violation::{Stage, Violation};
