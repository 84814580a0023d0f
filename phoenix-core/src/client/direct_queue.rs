//! PROTOCOL.md §11.7 — reading the direct queue, which brings connection requests.

use super::{
    connections,
    error::ClientError,
    event::Event,
    fan_out_queue::dequeue_range,
    shared::Shared,
    state::{LockName, State},
};
use crate::{
    codec::decode,
    crypto::{
        hpke::HpkeCiphertext,
        ratchet::{QueueEntry, QueueReadError},
    },
    wire::{auth_service::DequeueDirect, queues::direct_queue_name},
};

/// Reads the direct queue to its end.
pub(super) async fn read(shared: &Shared) -> Result<(), ClientError> {
    let _lock = shared.lock(LockName::Queues).await;
    // A caller that asks from here on needs a reading of its own: entries may come behind this one.
    shared.with(|state| state.queued_reading = None);
    let mut left = u64::MAX;
    loop {
        let (domain, body, identity) = shared.with(|state| {
            let range = dequeue_range(&state.direct_queue);
            let body = DequeueDirect { client_id: state.client_id.clone(), range };
            Ok::<_, ClientError>((state.config.domain.clone(), body, state.client_identity()?))
        })?;
        let reply = shared.call(&domain, &body, Some(&identity)).await?;
        for sealed in shared.with(|state| state.open_direct(&reply.entries)) {
            connections::receive_request(shared, &sealed);
        }
        // A restored queue drops its entries before it has new ones: `remaining` falls without entries.
        if reply.remaining == 0 || (reply.entries.is_empty() && reply.remaining >= left) {
            return Ok(());
        }
        left = reply.remaining;
    }
}

impl State {
    /// Decrypts entries of the direct queue.
    fn open_direct(&mut self, entries: &[QueueEntry]) -> Vec<HpkeCiphertext> {
        let name = direct_queue_name(&self.client_id);
        let mut opened = Vec::new();
        for entry in entries {
            let generation = self.direct_queue.generation();
            match self.direct_queue.open(&name, entry) {
                Ok(Some(plain)) => opened.extend(decode(&plain).ok()),
                Ok(None) if entry.generation > generation => self.emit(Event::QueueRestored { direct: true }),
                Ok(None) | Err(QueueReadError::AlreadyRead) => {}
                Err(_) => self.emit(Event::QueueUnreadable { direct: true, sequence: entry.sequence }),
            }
        }
        opened
    }
}
