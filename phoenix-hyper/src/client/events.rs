//! What a client tells its application.

use std::sync::{Arc, OnceLock};

use phoenix_core::client::{Event, EventId};
use tokio::sync::mpsc;

use super::{error::ClientError, store::ClientStoreError};

/// An event that waits for the application's confirmation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The event's id. An event that is shown again after a restart has the same one.
    pub id: EventId,
    /// What happened.
    pub event: Event,
}

/// The events of a client, in order.
///
/// Once about a hundred events wait, the client stops reading its queues until they are taken; all else goes
/// on. If this is dropped, the client reads its queues no more, and events wait in the store for the next
/// start.
#[derive(Debug)]
pub struct Events {
    received: mpsc::Receiver<Received>,
    ending: Ending,
}

impl Events {
    pub(super) const fn new(received: mpsc::Receiver<Received>, ending: Ending) -> Self {
        Self { received, ending }
    }

    /// Waits for the next event.
    ///
    /// # Errors
    /// [`ClientError::SaveFailed`] or [`ClientError::Stopped`] once the client has stopped, which has closed
    /// its store by then: it can be started again.
    pub async fn next(&mut self) -> Result<Received, ClientError> {
        self.received.recv().await.ok_or_else(|| self.ending.error())
    }

    /// Returns the next event, if one waits. When a method of the client returns, all events before it wait
    /// here, up to the size of the channel.
    pub fn try_next(&mut self) -> Option<Received> {
        self.received.try_recv().ok()
    }
}

/// Why a client has stopped, if a save has failed. Its handles share this.
#[derive(Debug, Clone, Default)]
pub(super) struct Ending(Arc<OnceLock<ClientStoreError>>);

impl Ending {
    pub fn failed(&self, failure: ClientStoreError) {
        // Only the first failure counts: nothing is saved after it.
        let _ = self.0.set(failure);
    }

    pub fn error(&self) -> ClientError {
        self.0.get().map_or(ClientError::Stopped, |failure| ClientError::SaveFailed(failure.clone()))
    }
}
