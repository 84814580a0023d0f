//! A store in memory, for tests and trials. Nothing outlives the process.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use phoenix_core::store::{Commit, Expectation, Key, Reads, Row, Scan, Settlement, commit::Rows};
use tokio::sync::broadcast;

use super::{
    interface::{Store, StoreError},
    notification::{self, Notification},
};

/// Rows in a sorted map behind a lock. A clone is a handle on the same store, for several nodes in one
/// process.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    rows: Arc<Mutex<BTreeMap<Vec<u8>, Row>>>,
    notifications: broadcast::Sender<Notification>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self { rows: Arc::default(), notifications: notification::channel() }
    }
}

impl MemoryStore {
    fn rows(&self) -> MutexGuard<'_, BTreeMap<Vec<u8>, Row>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn find(rows: &BTreeMap<Vec<u8>, Row>, scan: &Scan) -> Vec<Key> {
    // The map does not take a range that ends before it begins.
    if scan.first >= scan.end {
        return Vec::new();
    }
    let range = (Bound::Included(&scan.first), Bound::Excluded(&scan.end));
    rows.range::<Vec<u8>, _>(range).filter_map(|(key, _)| Key::from_bytes(key)).take(scan.limit).collect()
}

impl Store for MemoryStore {
    async fn read(&self, reads: Reads) -> Result<Rows, StoreError> {
        let rows = self.rows();
        let found = reads.keys.into_iter().map(|key| {
            let row = rows.get(&key.to_bytes()).cloned();
            (key, row)
        });
        let found = found.collect();
        let scans = reads.scans.into_iter().map(|scan| {
            let keys = find(&rows, &scan);
            (scan, keys)
        });
        Ok(Rows { rows: found, scans: scans.collect() })
    }

    async fn commit(&self, commit: Commit) -> Settlement {
        let mut rows = self.rows();
        let holds = |expectation: &Expectation| {
            rows.get(&expectation.key.to_bytes()).map(|row| row.version) == expectation.version
        };
        if !commit.expect.iter().all(holds) {
            return Settlement::Conflict;
        }
        for write in commit.writes {
            let key = write.key.to_bytes();
            match write.bytes {
                Some(bytes) => rows.insert(key, Row { version: commit.version, bytes }),
                None => rows.remove(&key),
            };
        }
        Settlement::Committed
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
