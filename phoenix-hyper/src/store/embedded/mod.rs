//! A store on disk for one process: rows in an engine that keeps a journal (fjall), commits in groups.
//!
//! # Durability
//!
//! Commits wait for one thread, which takes all that wait, writes those that hold as one batch and has it on disk
//! (`fdatasync`) before it answers any. The engine shows a batch to readers only once it is on disk; so whatever is
//! read is durable, a commit without writes is confirmed against the engine at one moment, on the thread of whoever
//! asks, and what follows from it may leave at once.
//!
//! # Expectations
//!
//! They are checked twice. On the caller's thread, many at once, against the engine; and in order, by the thread
//! that writes, against what the groups since have written and what this group is to write. Of the first check the
//! second needs to know only before which group it began: what changed before that, the first has seen.
//!
//! # Where it ends
//!
//! * One process has the directory; a second is refused with [`OpenError::InUse`].
//! * A damaged row is handed out without content, as [`Store::read`] wants it. The engine keeps checksums by blocks
//!   of some 4 KiB: damage in a file takes all rows of its block along. Damage in the journal, whose rows are not
//!   sorted in yet, is [`OpenError::Damaged`], unless it looks like a batch whose writing a crash cut short: then
//!   what follows is not there.
//! * Without space, commits end as [`Settlement::Unknown`], [`Store::health`] says so, and reads go on. When there
//!   is space again, for another journal (some 64 MiB) and something on top, the store notices within seconds.
//! * After any other failed write, commits fail until the process is started again, which is for the operator to do
//!   once the disk is sound.
//! * A scan passes over what was deleted until that is tidied up: some 0.1 s at worst with the write buffer as it is
//!   by default. Look for few large batches rather than for many small ones.

mod committer;
mod directory;
mod engine;
mod rescue;
mod shared;

use std::{path::Path, sync::Arc, thread};

pub use directory::OpenError;
use phoenix_core::store::{Commit, Reads, Settlement, commit::Rows};
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, mpsc, oneshot};

use self::{committer::Waiting, directory::Lock, engine::LONGEST_KEY, shared::Shared};
use super::{Notice, Store, StoreError, notice_channel};

/// How much memory and how many threads a store takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EmbeddedSettings {
    /// Bytes of blocks read from disk that are kept in memory. The operating system's own cache is behind it.
    pub cache: u64,
    /// Bytes of rows that are in the journal only, and in memory, before they are sorted in. Up to four times that
    /// are held while sorting falls behind. More makes for less writing, and for a longer opening. Stays as it was
    /// when the store was made.
    pub write_buffer: u64,
    /// Threads that sort in and tidy up.
    pub workers: usize,
    /// Files kept open.
    pub files: usize,
    /// Commits that wait to be written; whoever comes on top waits for a place.
    pub waiting: usize,
}

impl Default for EmbeddedSettings {
    fn default() -> Self {
        Self { cache: 4 << 20, write_buffer: 8 << 20, workers: 1, files: 256, waiting: 1024 }
    }
}

/// A store in a directory. A clone is the same store: for several nodes in one process.
///
/// When the last clone is dropped, the commits under way are finished and the directory is let go; the thread that
/// drops it waits for that.
#[derive(Clone)]
pub struct EmbeddedStore(Arc<Handle>);

struct Handle {
    /// `None` once the store closes.
    commits: Option<mpsc::Sender<Waiting>>,
    committer: Option<thread::JoinHandle<()>>,
    shared: Arc<Shared>,
    notices: broadcast::Sender<Notice>,
    /// Let go last.
    _lock: Lock,
}

impl EmbeddedStore {
    /// Opens the store in `directory`, or makes one there.
    ///
    /// # Errors
    /// [`OpenError`] says why that is not possible.
    pub fn open(directory: impl AsRef<Path>, settings: EmbeddedSettings) -> Result<Self, OpenError> {
        let directory = directory.as_ref();
        let lock = Lock::take(directory)?;
        let (commits, waiting) = mpsc::channel(settings.waiting.max(1));
        let shared = Arc::new(Shared::open(directory, settings)?);
        let committer = thread::Builder::new().name("store commits".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || committer::run(&shared, waiting)
        });
        let committer = committer.map_err(|error| OpenError::Io { path: directory.to_owned(), error })?;
        Ok(Self(Arc::new(Handle {
            commits: Some(commits),
            committer: Some(committer),
            shared,
            notices: notice_channel(),
            _lock: lock,
        })))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.commits = None;
        if let Some(committer) = self.committer.take() {
            committer.thread().unpark();
            // It has nothing to say; if it panicked, that was said then.
            let _ = committer.join();
        }
    }
}

impl Store for EmbeddedStore {
    // In place: what is asked for is in memory mostly, and a few microseconds away.
    async fn read(&self, reads: Reads) -> Result<Rows, StoreError> {
        self.0.shared.read(reads)
    }

    async fn commit(&self, commit: Commit) -> Settlement {
        let Handle { shared, commits: Some(commits), .. } = &*self.0 else { return Settlement::Unknown };
        if commit.writes.iter().any(|write| write.key.name().len() >= LONGEST_KEY) {
            tracing::error!("a key is longer than {LONGEST_KEY} bytes");
            return Settlement::Unknown;
        }
        // Before the rows are looked at.
        let seen = shared.groups();
        match shared.confirms(&commit.expect) {
            Ok(true) if commit.writes.is_empty() => return Settlement::Committed,
            Ok(true) if shared.health().is_ok() => {}
            Ok(false) => return Settlement::Conflict,
            Ok(true) | Err(_) => return Settlement::Unknown,
        }
        let (settled, settlement) = oneshot::channel();
        let waiting = Waiting::new(commit, seen, settled);
        if commits.send(waiting).await.is_err() {
            return Settlement::Unknown;
        }
        settlement.await.unwrap_or(Settlement::Unknown)
    }

    fn health(&self) -> Result<(), StoreError> {
        if self.0.commits.as_ref().is_none_or(mpsc::Sender::is_closed) {
            return Err(StoreError::Unavailable(
                "the thread that writes has ended: start it again".to_owned(),
            ));
        }
        self.0.shared.health()
    }

    fn publish(&self, notice: Notice) {
        // Nobody listens: nobody to tell.
        let _ = self.0.notices.send(notice);
    }

    fn notices(&self) -> Option<broadcast::Receiver<Notice>> {
        Some(self.0.notices.subscribe())
    }
}
