//! What a client needs of a place for its state: all records at its start, and one atomic, durable step for
//! each save.
//!
//! * [`ClientStore`]: the interface. Bring your own implementation, and run [`conformance`] over it.
//! * [`MemoryClientStore`]: for tests and trials.
//! * `SqliteClientStore`: a file for one client (feature `client-sqlite`).

pub mod conformance;
mod interface;
mod memory;
#[cfg(feature = "client-sqlite")]
mod sqlite;

#[cfg(feature = "client-sqlite")]
pub use self::sqlite::SqliteClientStore;
pub use self::{
    interface::{ClientStore, ClientStoreError},
    memory::MemoryClientStore,
};
