//! Clients that are connected for signals: each is told when its queue grows.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use phoenix_core::identifiers::QsClientId;
use tokio::sync::mpsc;

/// The connected clients. A client may have several connections.
pub(super) struct Listeners {
    connected: Mutex<Connected>,
    limit: usize,
}

#[derive(Default)]
struct Connected {
    clients: BTreeMap<QsClientId, Vec<mpsc::Sender<()>>>,
    closed: bool,
}

/// A connection for signals. Dropping it ends the connection.
pub struct Listener {
    listeners: Arc<Listeners>,
    client: QsClientId,
    /// Holds one signal: a second one would say nothing new.
    signals: mpsc::Receiver<()>,
}

/// The most connections of one client. A further one ends the oldest.
const CONNECTIONS_PER_CLIENT: usize = 4;

impl Listeners {
    pub fn new(limit: usize) -> Self {
        Self { connected: Mutex::default(), limit }
    }

    /// Connects `client`; `None` if too many clients are connected or the node drains.
    pub fn listen(self: &Arc<Self>, client: QsClientId) -> Option<Listener> {
        let mut connected = self.connected();
        let Connected { clients, closed } = &mut *connected;
        if *closed || clients.len() >= self.limit && !clients.contains_key(&client) {
            return None;
        }
        let (sender, signals) = mpsc::channel(1);
        // For entries that came before the connection.
        signal(&sender);
        let connections = clients.entry(client).or_default();
        if connections.len() == CONNECTIONS_PER_CLIENT {
            connections.remove(0);
        }
        connections.push(sender);
        Some(Listener { listeners: Arc::clone(self), client, signals })
    }

    pub fn signal(&self, client: QsClientId) {
        self.connected().clients.get(&client).into_iter().flatten().for_each(signal);
    }

    pub fn signal_all(&self) {
        self.connected().clients.values().flatten().for_each(signal);
    }

    /// Ends all connections and accepts no further ones.
    pub fn close(&self) {
        *self.connected() = Connected { clients: BTreeMap::new(), closed: true };
    }

    pub fn count(&self) -> usize {
        self.connected().clients.len()
    }

    fn connected(&self) -> MutexGuard<'_, Connected> {
        self.connected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Fails if a signal waits already, which serves as well.
fn signal(sender: &mpsc::Sender<()>) {
    let _ = sender.try_send(());
}

impl Listener {
    /// Returns once the queue has grown since the last call; the first call returns immediately. Returns
    /// `None` when no further signals will come: the node drains, or newer connections of the client replaced
    /// this one.
    pub async fn signalled(&mut self) -> Option<()> {
        self.signals.recv().await
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.signals.close();
        let mut connected = self.listeners.connected();
        if let Some(connections) = connected.clients.get_mut(&self.client) {
            connections.retain(|sender| !sender.is_closed());
            if connections.is_empty() {
                connected.clients.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_connection_of_a_client_gives_way() {
        let listeners = Arc::new(Listeners::new(1));
        let client = QsClientId([1; 16]);
        let mut oldest = listeners.listen(client).unwrap();
        let mut others: Vec<_> =
            (0..CONNECTIONS_PER_CLIENT).map(|_| listeners.listen(client).unwrap()).collect();
        assert_eq!(oldest.signalled().await, Some(()), "what came before");
        assert_eq!(oldest.signalled().await, None);
        for other in &mut others {
            assert_eq!(other.signalled().await, Some(()));
        }
        // The others are still signalled once the oldest is dropped.
        drop(oldest);
        listeners.signal(client);
        for other in &mut others {
            assert_eq!(other.signalled().await, Some(()));
        }
        assert!(listeners.listen(QsClientId([2; 16])).is_none(), "as many clients as there may be");
        drop(others);
        assert_eq!(listeners.count(), 0);
        assert!(listeners.listen(QsClientId([2; 16])).is_some());
    }

    #[tokio::test]
    async fn closing_ends_connections_after_what_waits_for_them() {
        let listeners = Arc::new(Listeners::new(1));
        let client = QsClientId([1; 16]);
        let mut listener = listeners.listen(client).unwrap();
        listeners.signal(client);
        listeners.close();
        assert_eq!(listener.signalled().await, Some(()));
        assert_eq!(listener.signalled().await, None);
        assert!(listeners.listen(client).is_none());
    }
}
