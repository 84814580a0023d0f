//! A store in memory: for tests, and for trying things out. Nothing outlives the process.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Mutex, PoisonError},
};

use phoenix_core::store::{Commit, Key, Reads, Row, Settlement, commit::Rows};

use super::{Store, StoreError};

/// Rows in a sorted map, behind a lock.
#[derive(Debug, Default)]
pub struct MemoryStore {
    rows: Mutex<BTreeMap<Vec<u8>, Row>>,
}

impl Store for MemoryStore {
    async fn read(&self, reads: Reads) -> Result<Rows, StoreError> {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let found = reads.keys.into_iter().map(|key| {
            let row = rows.get(&key.to_bytes()).cloned();
            (key, row)
        });
        let found = found.collect();
        let scans = reads.scans.into_iter().map(|scan| {
            let range = (Bound::Included(scan.first.clone()), Bound::Excluded(scan.end.clone()));
            let keys =
                rows.range(range).filter_map(|(key, _)| Key::from_bytes(key)).take(scan.limit).collect();
            (scan, keys)
        });
        Ok(Rows { rows: found, scans: scans.collect() })
    }

    async fn commit(&self, commit: Commit) -> Settlement {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let holds = |expectation: &phoenix_core::store::Expectation| {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn conforms() {
        crate::store::conformance::check(MemoryStore::default).await.unwrap();
    }
}
