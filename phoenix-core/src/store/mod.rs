//! State as records: read by key with a version, committed as a batch over everything that was read.
//!
//! The core never calls a store. It names what it needs ([`Reads`]) and what should be ([`Commit`]); whoever
//! drives an [`Operation`](crate::operation::Operation) carries both to a database. What a store must promise
//! is little: read committed rows with their versions, and apply a [`Commit`] whole or not at all.
//!
//! * [`key`]: how rows are named, and the table of all record kinds.
//! * [`record`]: how rows are written, sealed and read back.
//! * [`commit`]: what is asked of the store.
//! * [`transaction`]: what an operation sees of all this.

pub mod commit;
pub mod key;
pub mod record;
pub mod transaction;

pub use commit::{Commit, Expectation, Reads, Row, Scan, Settlement, Version, Write};
pub use key::{Key, RecordKind};
pub use record::{Protection, Record};
pub use transaction::Transaction;
