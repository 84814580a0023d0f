//! Connections: accepted, encrypted, bounded, and ended in good order.
//!
//! A connection speaks HTTP/2 or HTTP/1.1, whichever the client prefers, over TLS 1.3. Each has a task of its own.
//! Whoever is over a limit loses the connection, and nobody else notices.

mod activity;
mod connection;
mod places;

use std::{future::Future, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use hyper_util::{
    rt::{TokioExecutor, TokioTimer},
    server::conn::auto,
};
use serde::{Deserialize, Serialize};
use tokio::{net::TcpListener, time::sleep};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::places::Places;
use crate::{node::Environment, service::HttpService, store::Store};

/// How long nothing is accepted when the system has no more files to give: until some connections have ended.
const PAUSE: Duration = Duration::from_millis(100);

/// What hyper wants to read into at the least.
const MIN_BUFFER: usize = 8 << 10;

/// What connections may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerLimits {
    /// Connections at once, web sockets among them: some 40 KiB of memory and a file each.
    pub connections: usize,
    /// Connections at once from one IPv4 address or IPv6 network of 64 bits, so that one customer of a provider
    /// cannot take them all: but a company or a whole country may share an address.
    pub connections_per_address: usize,
    /// Bytes of bodies under way at once from one such address, so that nobody can use up what all share.
    pub body_bytes_per_address: usize,
    /// Time for the handshake of TLS: two round trips on a bad line.
    pub handshake: Duration,
    /// Time from the handshake to the first request: whoever connects wants something.
    pub first_request: Duration,
    /// Time without a request until a connection is ended: long enough for the next message of a conversation.
    pub idle: Duration,
    /// Time for requests under way to end, when the connection is to end: the longest that one may take.
    pub grace: Duration,
    /// Time for what is left to be written, when the connection is to end and no request is under way: an answer
    /// that is read slowly, or a farewell that is never heard.
    pub farewell: Duration,
    /// Bytes of a request's head: a client's has some two hundred.
    pub header_bytes: u32,
    /// Headers of a request.
    pub headers: usize,
    /// HTTP/2 requests at once on a connection; more wait at the client's.
    pub streams: u32,
    /// HTTP/2 requests taken back before anybody looked at them, until the connection is ended: taking back costs
    /// the client nothing (CVE-2023-44487).
    pub early_resets: usize,
    /// HTTP/2 requests that break the protocol, until the connection is ended (CVE-2025-8671).
    pub error_resets: usize,
    /// Between signs of life that are asked of HTTP/2 clients: networks drop connections without a word.
    pub keep_alive: Duration,
    /// How long a sign of life may take.
    pub keep_alive_timeout: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections: 60_000,
            connections_per_address: 1024,
            body_bytes_per_address: 32 << 20,
            handshake: Duration::from_secs(10),
            first_request: Duration::from_secs(10),
            idle: Duration::from_secs(120),
            grace: Duration::from_secs(30),
            farewell: Duration::from_secs(10),
            header_bytes: 16 << 10,
            headers: 64,
            streams: 128,
            early_resets: 32,
            error_resets: 64,
            keep_alive: Duration::from_secs(20),
            keep_alive_timeout: Duration::from_secs(20),
        }
    }
}

/// A listener with the service behind it.
pub struct Server<S, E> {
    listener: TcpListener,
    address: SocketAddr,
    places: Arc<Places>,
    shared: Arc<Shared<S, E>>,
}

/// What all connections share.
struct Shared<S, E> {
    tls: TlsAcceptor,
    http: auto::Builder<TokioExecutor>,
    service: HttpService<S, E>,
    limits: ServerLimits,
    stop: CancellationToken,
}

impl<S: Store, E: Environment> Server<S, E> {
    /// Listens on `address`; port 0 has the system choose one. Connections are served from [`Server::run`] on.
    ///
    /// # Errors
    /// The system's, if the address is in use, not ours, or needs a privilege.
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

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` is over, then accepts nothing more, has requests under way end within
    /// [`ServerLimits::grace`], and returns when the last connection is closed.
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
                    // Closed: whoever waited in vain would only try again.
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

fn http(limits: &ServerLimits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        // One clock for both versions: see `Activity`.
        .header_read_timeout(None)
        .max_buf_size(MIN_BUFFER.max(limits.header_bytes as usize))
        .max_headers(limits.headers);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_pending_accept_reset_streams(limits.early_resets)
        .max_local_error_reset_streams(limits.error_resets)
        .max_header_list_size(limits.header_bytes)
        .keep_alive_interval(limits.keep_alive)
        .keep_alive_timeout(limits.keep_alive_timeout);
    builder
}

/// Whether accepting failed for this connection only.
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
