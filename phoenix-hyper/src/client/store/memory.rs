//! A client store in memory, for tests and trials. Nothing outlives the process.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use phoenix_core::client::{RecordChange, StoredRecord};

use super::interface::{ClientStore, ClientStoreError};

/// Records in memory. A clone is a handle on the same records: start a client on a clone, drop the client,
/// and start it again on another clone.
///
/// The handle that loads takes the records over: saves by handles that have loaded before fail with
/// [`ClientStoreError::InUse`].
#[derive(Debug, Clone, Default)]
pub struct MemoryClientStore {
    shared: Arc<Mutex<Shared>>,
    /// The number of the last load by this handle.
    load: u64,
}

#[derive(Debug, Default)]
struct Shared {
    records: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The number of loads so far.
    loads: u64,
}

impl MemoryClientStore {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientStore for MemoryClientStore {
    fn load(&mut self) -> Result<Vec<StoredRecord>, ClientStoreError> {
        let mut shared = self.shared();
        shared.loads += 1;
        let load = shared.loads;
        let records = shared.records.iter();
        let records =
            records.map(|(name, content)| StoredRecord { name: name.clone(), content: content.clone() });
        let records = records.collect();
        drop(shared);
        self.load = load;
        Ok(records)
    }

    fn save(&mut self, changes: &[RecordChange]) -> Result<(), ClientStoreError> {
        let mut shared = self.shared();
        if shared.loads != self.load {
            return Err(ClientStoreError::InUse { store: "in memory".to_owned() });
        }
        for RecordChange { name, content } in changes {
            match content {
                Some(content) => _ = shared.records.insert(name.clone(), content.clone()),
                None => _ = shared.records.remove(name),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::store::conformance::{self, Harness};

    struct InMemory;

    impl Harness for InMemory {
        type Place = MemoryClientStore;
        type Store = MemoryClientStore;

        fn place(&self) -> MemoryClientStore {
            MemoryClientStore::default()
        }

        fn open(&self, place: &MemoryClientStore) -> Result<MemoryClientStore, ClientStoreError> {
            Ok(place.clone())
        }

        fn files(&self, _: &MemoryClientStore) -> Option<Vec<u8>> {
            None
        }
    }

    #[test]
    fn conforms() {
        conformance::check(&InMemory).unwrap();
    }
}
