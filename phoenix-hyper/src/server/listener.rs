//! The listener: accepts connections until the server stops.

use std::{future::Future, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use tokio::{net::TcpListener, time::sleep};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    connection,
    limits::ServerLimits,
    places::Places,
    shared::{Shared, http},
};
use crate::{node::Environment, service::HttpService, store::Store};

/// How long the listener pauses when the system has no file left for a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// A listener and the service behind it.
pub struct Server<S, E> {
    listener: TcpListener,
    address: SocketAddr,
    places: Arc<Places>,
    shared: Arc<Shared<S, E>>,
}

impl<S: Store, E: Environment> Server<S, E> {
    /// Listens on `address`; for port 0 the system chooses one. No connection is accepted before
    /// [`Server::run`].
    ///
    /// # Errors
    /// The system's error if the address is in use, is not this machine's, or needs a privilege.
    pub async fn bind(
        address: SocketAddr,
        tls: Arc<rustls::ServerConfig>,
        service: HttpService<S, E>,
        limits: ServerLimits,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let shared =
            Shared { tls: tls.into(), http: http(&limits), service, limits, stop: CancellationToken::new() };
        Ok(Self { listener, address, places: Places::new(limits), shared: Arc::new(shared) })
    }

    /// The address that the server listens on, with the port that the system chose.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` completes. Then accepts no further connections, gives requests under way
    /// [`ServerLimits::grace`] to end, and returns once the last connection is closed.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let connections = TaskTracker::new();
        let mut shutdown = pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.as_mut() => break,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, remote)) => match self.places.take(remote.ip()) {
                    Some(place) => {
                        connections.spawn(connection::serve(stream, place, Arc::clone(&self.shared)));
                    }
                    // Closed, since a client that waits for nothing only tries again.
                    None => tracing::debug!("a connection over the limit was closed"),
                },
                Err(error) if is_of_the_connection(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "no connection can be accepted");
                    tokio::select! {
                        () = shutdown.as_mut() => break,
                        () = sleep(PAUSE) => {}
                    }
                }
            }
        }
        drop(self.listener);
        self.shared.stop.cancel();
        connections.close();
        connections.wait().await;
    }
}

/// Whether accepting failed for one connection only.
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
