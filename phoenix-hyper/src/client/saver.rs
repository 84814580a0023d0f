//! Saves, one at a time, on a thread where they may block.

use std::future;

use phoenix_core::client::{Save, SaveId};
use tokio::task::{self, JoinHandle};

use super::store::{ClientStore, ClientStoreError};

type Store = Box<dyn ClientStore>;

/// Carries out saves.
pub(super) struct Saver {
    /// The store, while no save is under way.
    store: Option<Store>,
    under_way: Option<UnderWay>,
}

struct UnderWay {
    id: SaveId,
    saving: JoinHandle<Saved>,
}

struct Saved {
    store: Store,
    result: Result<(), ClientStoreError>,
}

impl Saver {
    pub fn new(store: Store) -> Self {
        Self { store: Some(store), under_way: None }
    }

    pub const fn is_idle(&self) -> bool {
        self.under_way.is_none()
    }

    /// Begins a save. The client asks for the next one after it is told that this one is done.
    pub fn begin(&mut self, save: Save) {
        // Without a store, the save before has panicked, and the client has stopped.
        let Some(mut store) = self.store.take() else { return };
        let Save { id, changes } = save;
        let saving = task::spawn_blocking(move || {
            let result = store.save(&changes);
            Saved { store, result }
        });
        self.under_way = Some(UnderWay { id, saving });
    }

    /// Waits for the end of the save that is under way; forever, if none is.
    pub async fn end(&mut self) -> (SaveId, Result<(), ClientStoreError>) {
        let Some(UnderWay { id, saving }) = &mut self.under_way else { return future::pending().await };
        let (id, ended) = (*id, saving.await);
        self.under_way = None;
        let result = match ended {
            Ok(Saved { store, result }) => {
                self.store = Some(store);
                result
            }
            Err(error) => Err(failed(&error)),
        };
        (id, result)
    }
}

/// The failure of a client whose store has panicked, or was never asked.
pub(super) fn failed(reason: &dyn std::fmt::Display) -> ClientStoreError {
    ClientStoreError::Failed { store: "of this client".to_owned(), reason: reason.to_string() }
}
