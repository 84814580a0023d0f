//! A store with a planted bug: it reports commits as durable some time before they are. Tests must find it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use phoenix_core::store::{Commit, Key, Reads, Row, Scan, Settlement, commit::Rows};
use tokio::{sync::broadcast, time};

use super::{
    interface::{Store, StoreError},
    notification::Notification,
};

/// How long a commit that was reported durable is in memory only.
const LATE: Duration = Duration::from_millis(500);

/// Commits to another store half a second after it has reported them durable.
pub struct LateStore<S> {
    inner: Arc<Inner<S>>,
}

struct Inner<S> {
    store: S,
    /// Commits in the order in which they were reported durable.
    waiting: Mutex<VecDeque<Commit>>,
    /// Held while one commit is checked or written.
    turn: tokio::sync::Mutex<()>,
}

impl<S> Clone for LateStore<S> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<S: Store> LateStore<S> {
    /// A late store over `store`.
    pub fn new(store: S) -> Self {
        Self {
            inner: Arc::new(Inner { store, waiting: Mutex::default(), turn: tokio::sync::Mutex::default() }),
        }
    }
}

impl<S: Store> Inner<S> {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<Commit>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the store as it will be once all waiting commits are written.
    async fn read(&self, reads: Reads) -> Result<Rows, StoreError> {
        // Taken before the store is read: a commit that is written meanwhile is in both, and the same.
        let waiting: Vec<Commit> = self.waiting().iter().cloned().collect();
        let mut rows = self.store.read(reads).await?;
        for commit in waiting {
            for write in commit.writes {
                for (_, row) in rows.rows.iter_mut().filter(|(key, _)| *key == write.key) {
                    *row = write.bytes.clone().map(|bytes| Row { version: commit.version, bytes });
                }
                for (scan, keys) in &mut rows.scans {
                    overlay(scan, keys, &write.key, write.bytes.is_some());
                }
            }
        }
        Ok(rows)
    }
}

/// Applies one waiting write to the keys that a scan found. Scans only look for work, so a key that is
/// missing beyond the limit does no harm.
fn overlay(scan: &Scan, keys: &mut Vec<Key>, key: &Key, present: bool) {
    let bytes = key.to_bytes();
    if bytes < scan.first || bytes >= scan.end {
        return;
    }
    keys.retain(|other| other != key);
    if present {
        keys.push(key.clone());
        keys.sort_by_key(Key::to_bytes);
        keys.truncate(scan.limit);
    }
}

impl<S: Store> Store for LateStore<S> {
    async fn read(&self, reads: Reads) -> Result<Rows, StoreError> {
        self.inner.read(reads).await
    }

    async fn commit(&self, commit: Commit) -> Settlement {
        let _turn = self.inner.turn.lock().await;
        let keys = commit.expect.iter().map(|expectation| expectation.key.clone()).collect();
        let Ok(Rows { rows, .. }) = self.inner.read(Reads { keys, scans: Vec::new() }).await else {
            return Settlement::Unknown;
        };
        let version = |key: &Key| {
            let row = rows.iter().find(|(of, _)| of == key).and_then(|(_, row)| row.as_ref());
            row.map(|row| row.version)
        };
        if !commit.expect.iter().all(|expectation| version(&expectation.key) == expectation.version) {
            return Settlement::Conflict;
        }
        self.inner.waiting().push_back(commit);
        let inner = Arc::clone(&self.inner);
        tokio::spawn(async move {
            time::sleep(LATE).await;
            let _turn = inner.turn.lock().await;
            let Some(Commit { writes, version, .. }) = inner.waiting().front().cloned() else { return };
            inner.store.commit(Commit { expect: Vec::new(), writes, version }).await;
            inner.waiting().pop_front();
        });
        Settlement::Committed
    }

    fn publish(&self, notification: Notification) {
        self.inner.store.publish(notification);
    }

    fn notifications(&self) -> Option<broadcast::Receiver<Notification>> {
        self.inner.store.notifications()
    }
}

#[cfg(test)]
mod tests {
    use phoenix_core::store::{Expectation, RecordKind, Version, Write};

    use super::*;
    use crate::store::MemoryStore;

    #[tokio::test(start_paused = true)]
    async fn commits_are_seen_at_once_and_durable_later() {
        let durable = Arc::new(MemoryStore::default());
        let store = LateStore::new(Shared(Arc::clone(&durable)));
        let key = Key::from_bytes(&[&[RecordKind::Nullifier as u8][..], b"name"].concat()).unwrap();
        let write = Write { key: key.clone(), bytes: Some(b"row".to_vec()) };
        let commit = Commit { expect: Vec::new(), writes: vec![write], version: Version([1; 16]) };
        assert_eq!(store.commit(commit.clone()).await, Settlement::Committed);
        let reads = Reads { keys: vec![key.clone()], scans: Vec::new() };
        let row = Some(Row { version: Version([1; 16]), bytes: b"row".to_vec() });
        assert_eq!(store.read(reads.clone()).await.unwrap().rows, [(key.clone(), row.clone())]);
        assert_eq!(durable.read(reads.clone()).await.unwrap().rows, [(key.clone(), None)]);
        let expect = vec![Expectation { key: key.clone(), version: None }];
        assert_eq!(store.commit(Commit { expect, ..commit }).await, Settlement::Conflict);
        time::sleep(2 * LATE).await;
        assert_eq!(durable.read(reads).await.unwrap().rows, [(key, row)]);
    }

    struct Shared(Arc<MemoryStore>);

    impl Store for Shared {
        async fn read(&self, reads: Reads) -> Result<Rows, StoreError> {
            self.0.read(reads).await
        }

        async fn commit(&self, commit: Commit) -> Settlement {
            self.0.commit(commit).await
        }
    }
}
