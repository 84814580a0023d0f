//! A store in memory, for tests and trials. Nothing outlives the process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use phoenix_core::store::{self, Commit, Reads, Settlement, commit::Rows};
use tokio::sync::broadcast;

use super::{
    interface::{Store, StoreError},
    notification::{self, Notification},
};

/// The core's [`MemoryStore`](store::MemoryStore) behind a lock. A clone is a handle on the same store, for
/// several nodes in one process.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    rows: Arc<Mutex<store::MemoryStore>>,
    notifications: broadcast::Sender<Notification>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self { rows: Arc::default(), notifications: notification::channel() }
    }
}

impl MemoryStore {
    fn rows(&self) -> MutexGuard<'_, store::MemoryStore> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    async fn read(&self, reads: Reads) -> Result<Rows, StoreError> {
        Ok(self.rows().read(&reads))
    }

    async fn commit(&self, commit: Commit) -> Settlement {
        self.rows().apply(&commit)
    }

    fn publish(&self, notification: Notification) {
        // Fails only if no node listens.
        let _ = self.notifications.send(notification);
    }

    fn notifications(&self) -> Option<broadcast::Receiver<Notification>> {
        Some(self.notifications.subscribe())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance;

    #[tokio::test]
    async fn conforms() {
        conformance::check(async || Ok(MemoryStore::default())).await.unwrap();
    }

    #[tokio::test]
    async fn clones_are_one_store() {
        let store = MemoryStore::default();
        conformance::check_shared(&store, &store.clone()).await.unwrap();
    }
}
