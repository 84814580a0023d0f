//! What a homeserver needs of a database: reads with versions, commits that apply whole or not at all, and
//! notifications of what other nodes on the same database have done.
//!
//! * [`Store`]: the interface. Bring your own implementation, and run [`conformance`] over it.
//! * [`MemoryStore`]: for tests and trials.
//! * [`EmbeddedStore`]: on disk, for one process (feature `store-embedded`).

pub mod conformance;
#[cfg(feature = "store-embedded")]
pub mod embedded;
mod interface;
#[cfg(feature = "plant")]
mod late;
mod memory;
mod notification;

#[cfg(feature = "store-embedded")]
pub use self::embedded::EmbeddedStore;
#[cfg(feature = "plant")]
pub use self::late::LateStore;
pub use self::{
    interface::{Store, StoreError},
    memory::MemoryStore,
    notification::{NodeEvent, Notification},
};
