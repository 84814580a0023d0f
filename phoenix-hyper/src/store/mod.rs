//! What a homeserver needs of a database: reads with versions, commits that apply whole or not at all, and word
//! of what other nodes on the same database have done.
//!
//! * [`MemoryStore`]: for tests and trials.
//! * [`EmbeddedStore`]: on disk, for one process.
//! * [`conformance`]: the suite that any other must pass too.

pub mod conformance;
pub mod embedded;
#[cfg(feature = "plant")]
mod late;
mod memory;

use std::future::Future;

pub use embedded::EmbeddedStore;
#[cfg(feature = "plant")]
pub use late::LateStore;
pub use memory::MemoryStore;
use phoenix_core::{
    identifiers::QsClientId,
    operation::Timer,
    store::{Commit, Reads, RecordKind, Settlement, commit::Rows},
    time::Timestamp,
};
use tokio::sync::broadcast;

/// A database cannot do its work. What is said names no record and no content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It cannot be used now; the text is for the operator.
    #[error("the store cannot be used: {0}")]
    Unavailable(String),
    /// There is no space left: commits fail until there is, reads go on.
    #[error("the store has no space left: {0}")]
    Full(String),
    /// Records cannot be looked for, since what is stored is damaged there.
    #[error("the store is damaged where {0:?} records are looked for")]
    Damaged(RecordKind),
}

/// A database. Bring your own: implement this, and run [`conformance::check`] over it.
///
/// Leases are rows like any others, taken and renewed by commits: there is nothing to implement for them.
pub trait Store: Send + Sync + 'static {
    /// Reads every row and makes every scan that is asked for, of what is committed durably. The rows need not be
    /// of one moment: the commit finds out if they were not.
    ///
    /// A row that is there but damaged is given without content, which no record has: the operation that needs it
    /// is refused and all others go on. Its version is whatever a commit would find.
    ///
    /// # Errors
    /// [`StoreError`] if that is not possible now; whoever waits is told to come back.
    fn read(&self, reads: Reads) -> impl Future<Output = Result<Rows, StoreError>> + Send;

    /// Applies the commit if every expectation holds, all at once and durably; or not at all. A commit without
    /// writes says whether all it expects held at one moment.
    ///
    /// [`Settlement::Unknown`] is the answer where that cannot be told, after an error half-way for example.
    fn commit(&self, commit: Commit) -> impl Future<Output = Settlement> + Send;

    /// Whether commits are possible, as far as is known: for whoever decides where requests go.
    ///
    /// # Errors
    /// Why they are not.
    fn health(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Tells the other nodes on this database. What is told may get lost: rows say the same, and are looked at
    /// from time to time. A store for one node has nobody to tell.
    fn publish(&self, _: Notice) {}

    /// What other nodes tell, from now on; `None` for a store for one node. May repeat the node's own words.
    fn notices(&self) -> Option<broadcast::Receiver<Notice>> {
        None
    }
}

/// What a node tells the others on the same database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Which node, as in its [configuration](phoenix_core::config::Config::node): nobody listens to itself.
    pub from: [u8; 16],
    /// What.
    pub news: News,
}

/// Something that has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// There will be work for whoever holds the lease.
    Wake {
        /// Which.
        timer: Timer,
        /// When.
        due: Timestamp,
    },
    /// This client's queue has grown; one of the others may be connected with it.
    Signal(QsClientId),
}

/// Notices that wait for a node in the same process. One that falls behind further is told that it missed some.
const NOTICES: usize = 1024;

/// Word between the nodes of one process.
fn notice_channel() -> broadcast::Sender<Notice> {
    broadcast::Sender::new(NOTICES)
}
