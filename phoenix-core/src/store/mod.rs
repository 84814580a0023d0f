//! PROTOCOL.md §2, Determinism and storage — state as records: read by key with a version, committed as a
//! batch over everything that was read.
//!
//! The core never calls a store. It names what it needs ([`Reads`]) and what should be ([`Commit`]); the
//! driver of an [`Operation`](crate::operation::Operation) carries both to a database. What a store must
//! promise is little: to read committed rows with their versions, and to apply a [`Commit`] whole or not at
//! all.
//!
//! * [`keyspace`]: the table of all kinds of records, printed in `KEYSPACE.md`.
//! * [`key`]: how rows are named.
//! * [`record`]: how a record becomes the bytes of a row, and is read back.
//! * [`Expiring`]: the names of records that a sweep finds by their hour.
//! * [`commit`]: what is asked of the store.
//! * [`MemoryStore`]: a store in memory, for tests and trials.
//!
//! What an operation sees of all this is a [`Transaction`](crate::operation::Transaction).

pub mod commit;
mod expiring;
pub mod key;
pub mod keyspace;
mod memory;
pub mod record;

pub use commit::{Commit, Expectation, Reads, Row, Scan, Settlement, Version, Write};
pub use expiring::Expiring;
pub use key::{Key, Record};
pub use keyspace::{Protection, RecordKind};
pub use memory::MemoryStore;
pub use record::{Stored, StoredDataError};
