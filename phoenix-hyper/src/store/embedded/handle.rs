//! The handle on a store: commits go to the writing thread, reads to the engine.

use std::{path::Path, sync::Arc, thread};

use phoenix_core::store::{Commit, Reads, Settlement, commit::Rows};
use tokio::sync::{broadcast, mpsc, oneshot};

use super::{
    committer::{self, Waiting},
    directory::Lock,
    engine::LONGEST_KEY,
    error::OpenError,
    settings::EmbeddedSettings,
    shared::Shared,
};
use crate::store::{
    interface::{Store, StoreError},
    notification::{self, Notification},
};

/// A store in a directory. A clone is a handle on the same store, for several nodes in one process.
///
/// Dropping the last handle finishes the commits under way and releases the directory; the dropping thread
/// waits for that.
#[derive(Clone)]
pub struct EmbeddedStore(Arc<Handle>);

struct Handle {
    /// `None` once the store closes.
    commits: Option<mpsc::Sender<Waiting>>,
    committer: Option<thread::JoinHandle<()>>,
    shared: Arc<Shared>,
    notifications: broadcast::Sender<Notification>,
    /// The last field, so that it is released last.
    _lock: Lock,
}

impl EmbeddedStore {
    /// Opens the store in `directory`, or creates one there.
    ///
    /// # Errors
    /// [`OpenError`] says why the store cannot be opened, and what to do.
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
            notifications: notification::channel(),
            _lock: lock,
        })))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.commits = None;
        if let Some(committer) = self.committer.take() {
            committer.thread().unpark();
            // It returns nothing; a panic was reported when it happened.
            let _ = committer.join();
        }
    }
}

impl Store for EmbeddedStore {
    // On the calling thread: the rows are mostly in memory, a few microseconds away.
    async fn read(&self, reads: Reads) -> Result<Rows, StoreError> {
        self.0.shared.read(reads)
    }

    async fn commit(&self, commit: Commit) -> Settlement {
        let Handle { shared, commits: Some(commits), .. } = &*self.0 else { return Settlement::Unknown };
        if commit.writes.iter().any(|write| write.key.name().len() >= LONGEST_KEY) {
            tracing::error!("a key is longer than {LONGEST_KEY} bytes");
            return Settlement::Unknown;
        }
        // Read before the rows are checked.
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
                "the writing thread has ended: restart the process".to_owned(),
            ));
        }
        self.0.shared.health()
    }

    fn publish(&self, notification: Notification) {
        // Fails only if no node listens.
        let _ = self.0.notifications.send(notification);
    }

    fn notifications(&self) -> Option<broadcast::Receiver<Notification>> {
        Some(self.0.notifications.subscribe())
    }
}
