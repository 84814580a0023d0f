//! What must hold of every world (PROTOCOL.md §12), one property a file.
//!
//! Oracles see what users' clients report, what homeservers answer and what stores commit. They know nothing
//! of how any of it came about, and share no code with what they check except decoding and decryption.
//!
//! A new oracle is a file here with a type that remembers what it has seen and returns a [`Violation`].
//! [`Oracles`] owns it and calls it from `observe`, `answered` or `commits`; [`rows`] opens committed rows
//! for it. What can only be judged at the end, it reports in a method that the world's `unsettled` calls.

pub mod acknowledged;
pub mod drained;
pub mod duplicates;
pub mod enqueued;
pub mod epochs;
pub mod order;
pub mod queues;
pub mod refused;
pub mod repaired;
pub mod restored;
pub mod reuse;
pub mod rows;
pub mod tokens;

mod all;
mod observation;
mod violation;

pub use all::Oracles;
pub use observation::Observation;
pub use repaired::Reader;
pub use violation::Violation;
