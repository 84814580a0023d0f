//! State as records: read by key with a version, committed as a batch over everything that was read.
//!
//! The core never calls a store. It names what it needs ([`Reads`]) and what should be ([`Commit`]); whoever
//! drives an [`Operation`](crate::operation::Operation) carries both to a database. What a store must promise
//! is little: read committed rows with their versions, and apply a [`Commit`] whole or not at all.
//!
//! * [`keyspace`]: the table of all record kinds.
//! * [`key`]: how rows are named.
//! * [`record`]: how rows are written, sealed and read back.
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
