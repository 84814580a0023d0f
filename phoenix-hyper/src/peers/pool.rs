//! Shared connections: one for each service of a homeserver.
//!
//! Requests that need the same connection at once wait for one attempt and share its failure, too: a peer
//! that is gone costs one attempt, and a peer that comes back is not met with a hundred handshakes.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http_body_util::Full;
use hyper::{
    Request, Response, Uri,
    body::{Bytes, Incoming},
    client::conn::{http1, http2},
    header::{HOST, HeaderValue},
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    net::TcpStream,
    sync::Semaphore,
    time::{Instant, sleep_until},
};
use tokio_rustls::client::TlsStream;

use super::{
    connector::{Connector, Purpose},
    endpoint::Endpoint,
    error::SendError,
    reach::PeerLimits,
};
use crate::tls::HTTP_2;

type Http1 = http1::SendRequest<Full<Bytes>>;
type Http2 = http2::SendRequest<Full<Bytes>>;

/// The most bytes of a response's head: a homeserver's has about two hundred.
const MAX_HEADER_BYTES: u32 = 16 << 10;

/// The connections that exist or are being opened.
#[derive(Debug)]
pub(super) struct Pool {
    slots: Mutex<BTreeMap<Endpoint, Arc<Slot>>>,
    /// One permit for each connection that may be opened at once.
    attempts: Semaphore,
    limits: PeerLimits,
}

/// The place of one service's connection.
#[derive(Debug)]
struct Slot {
    /// Locked while a connection is being opened.
    state: tokio::sync::Mutex<State>,
    /// When a request last began or ended.
    used: Mutex<Instant>,
    /// The number of requests under way or waiting for the connection.
    requests: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    connection: Option<Http2>,
    /// Counts connections, to tell one from the next.
    generation: u64,
    /// When the last attempt failed, and why.
    failure: Option<(Instant, SendError)>,
}

/// A connection for one request.
#[derive(Debug)]
pub(super) struct Connection {
    sender: Sender,
    reused: bool,
    generation: u64,
    in_use: InUse,
}

#[derive(Debug)]
enum Sender {
    Http1(Http1),
    Http2(Http2),
}

/// Counts a request on a slot for as long as it lives.
#[derive(Debug)]
struct InUse(Arc<Slot>);

impl Pool {
    pub fn new(limits: PeerLimits) -> Self {
        Self { slots: Mutex::default(), attempts: Semaphore::new(limits.connections.max(1)), limits }
    }

    /// Returns the connection to a service, opened if there is none.
    pub async fn connection(&self, peer: &Endpoint, connector: &Connector) -> Result<Connection, SendError> {
        let slot = self.slot(peer);
        let begun = Instant::now();
        let in_use = InUse::new(Arc::clone(&slot));
        let mut state = slot.state.lock().await;
        if let Some(connection) = state.connection.as_ref().filter(|connection| !connection.is_closed()) {
            let sender = Sender::Http2(connection.clone());
            return Ok(Connection { sender, reused: true, generation: state.generation, in_use });
        }
        state.connection = None;
        // An attempt that failed while this request waited counts for this request too.
        if let Some((_, failure)) = state.failure.as_ref().filter(|(when, _)| *when >= begun) {
            self.forget(peer, &slot);
            return Err(failure.clone());
        }
        state.generation += 1;
        let opened = self.open(peer, connector, &slot).await;
        match &opened {
            Ok(Sender::Http2(connection)) => state.connection = Some(connection.clone()),
            // Serves one request only.
            Ok(Sender::Http1(_)) => {}
            Err(error) => {
                state.failure = Some((Instant::now(), error.clone()));
                self.forget(peer, &slot);
            }
        }
        Ok(Connection { sender: opened?, reused: false, generation: state.generation, in_use })
    }

    async fn open(
        &self,
        peer: &Endpoint,
        connector: &Connector,
        slot: &Arc<Slot>,
    ) -> Result<Sender, SendError> {
        let _attempt = self.attempts.acquire().await;
        let stream = connector.connect(peer, Purpose::Requests).await?;
        let opened = match stream.get_ref().1.alpn_protocol() == Some(HTTP_2) {
            true => self.http2(stream, slot).await.map(Sender::Http2),
            false => http1(stream).await.map(Sender::Http1),
        };
        opened.map_err(|error| SendError::Broken { host: peer.host(), reason: Arc::new(error) })
    }

    async fn http2(&self, stream: TlsStream<TcpStream>, slot: &Arc<Slot>) -> hyper::Result<Http2> {
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(self.limits.keep_alive)
            .keep_alive_timeout(self.limits.keep_alive_timeout)
            .max_header_list_size(MAX_HEADER_BYTES)
            .handshake(TokioIo::new(stream))
            .await?;
        let idle = idle(Arc::downgrade(slot), self.limits.idle);
        tokio::spawn(async move {
            let mut connection = std::pin::pin!(connection);
            tokio::select! {
                result = connection.as_mut() => return report(result),
                () = idle => {}
            }
            // Closes in good order: no sender is left.
            report(connection.await);
        });
        Ok(sender)
    }

    /// Frees the place of a peer that cannot be reached, unless further requests wait there.
    fn forget(&self, peer: &Endpoint, slot: &Arc<Slot>) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = slots.get(peer).is_some_and(|known| Arc::ptr_eq(known, slot));
        if ours && slot.requests.load(Ordering::Acquire) == 1 {
            slots.remove(peer);
        }
    }

    fn slot(&self, peer: &Endpoint) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(peer) {
            return Arc::clone(slot);
        }
        if slots.len() >= self.limits.connections.max(1) {
            let oldest = slots.iter().min_by_key(|(_, slot)| slot.used()).map(|(peer, _)| peer.clone());
            oldest.and_then(|peer| slots.remove(&peer));
        }
        let slot = Arc::new(Slot {
            state: tokio::sync::Mutex::default(),
            used: Mutex::new(Instant::now()),
            requests: AtomicUsize::new(0),
        });
        slots.insert(peer.clone(), Arc::clone(&slot));
        slot
    }
}

async fn http1(stream: TlsStream<TcpStream>) -> hyper::Result<Http1> {
    let (sender, connection) =
        http1::Builder::new().max_buf_size(MAX_HEADER_BYTES as usize).handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move { report(connection.await) });
    Ok(sender)
}

fn report(result: hyper::Result<()>) {
    if let Err(error) = result {
        tracing::debug!(%error, "a connection to a peer broke");
    }
}

/// Returns once the slot's connection was unused for `time` and is removed from the slot, or once the slot is
/// gone.
async fn idle(slot: Weak<Slot>, time: Duration) {
    let mut until = Instant::now() + time;
    loop {
        sleep_until(until).await;
        let Some(slot) = slot.upgrade() else { return };
        let mut state = slot.state.lock().await;
        until = slot.used() + time;
        if slot.requests.load(Ordering::Acquire) > 0 {
            until = Instant::now() + time;
        } else if until <= Instant::now() {
            state.connection = None;
            return;
        }
    }
}

impl Slot {
    fn used(&self) -> Instant {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InUse {
    fn new(slot: Arc<Slot>) -> Self {
        slot.requests.fetch_add(1, Ordering::AcqRel);
        *slot.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        Self(slot)
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        *self.0.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.0.requests.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Connection {
    /// Whether the connection existed before this request, and so may have died unnoticed.
    pub fn is_reused(&self) -> bool {
        self.reused
    }

    /// Sends a request and returns the response once its head has arrived.
    pub async fn send(&mut self, mut request: Request<Full<Bytes>>) -> hyper::Result<Response<Incoming>> {
        match &mut self.sender {
            Sender::Http2(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Sender::Http1(sender) => {
                if let Some(host) = request.uri().host().and_then(|host| HeaderValue::from_str(host).ok()) {
                    request.headers_mut().insert(HOST, host);
                }
                *request.uri_mut() = Uri::from_static("/");
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }

    /// Removes a broken connection, so that other requests get a new one.
    pub async fn discard(self) {
        let mut state = self.in_use.0.state.lock().await;
        if state.generation == self.generation {
            state.connection = None;
        }
    }
}
