//! Connections that are shared: one for each service of a homeserver.
//!
//! Many who want the same connection at once wait for one to make it, and share its failure too: a peer that is
//! gone costs one attempt, and a peer that comes back is not met with a hundred handshakes.

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
use phoenix_core::{identifiers::Domain, wire::operations::Service};
use tokio::{
    net::TcpStream,
    sync::Semaphore,
    time::{Instant, sleep_until},
};
use tokio_rustls::client::TlsStream;

use super::{
    PeerLimits, SendError,
    connector::{Connector, Purpose},
};
use crate::{host, tls::HTTP_2};

type Http1 = http1::SendRequest<Full<Bytes>>;
type Http2 = http2::SendRequest<Full<Bytes>>;

/// Bytes of the head of a response: a homeserver's has some two hundred.
const MAX_HEADER_BYTES: u32 = 16 << 10;

/// The connections that are there, or being made.
#[derive(Debug)]
pub(super) struct Pool {
    slots: Mutex<BTreeMap<(Domain, Service), Arc<Slot>>>,
    /// Connections being made.
    attempts: Semaphore,
    limits: PeerLimits,
}

/// The place of a connection.
#[derive(Debug)]
struct Slot {
    /// Held while a connection is being made.
    state: tokio::sync::Mutex<State>,
    used: Mutex<Instant>,
    requests: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    connection: Option<Http2>,
    /// Tells one connection from the next.
    generation: u64,
    /// When the last attempt failed, and why.
    failure: Option<(Instant, SendError)>,
}

/// A connection on which a request can be sent.
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

/// Keeps a slot's connection from being idle.
#[derive(Debug)]
struct InUse(Arc<Slot>);

impl Pool {
    pub fn new(limits: PeerLimits) -> Self {
        Self { slots: Mutex::default(), attempts: Semaphore::new(limits.connections.max(1)), limits }
    }

    /// The connection with a service, made if there is none.
    pub async fn connection(
        &self,
        peer: (&Domain, Service),
        connector: &Connector,
    ) -> Result<Connection, SendError> {
        let slot = self.slot(peer);
        let begun = Instant::now();
        let in_use = InUse::new(Arc::clone(&slot));
        let mut state = slot.state.lock().await;
        if let Some(connection) = state.connection.as_ref().filter(|connection| !connection.is_closed()) {
            let sender = Sender::Http2(connection.clone());
            return Ok(Connection { sender, reused: true, generation: state.generation, in_use });
        }
        state.connection = None;
        // An attempt that failed while this one waited is an attempt of both.
        if let Some((_, failure)) = state.failure.as_ref().filter(|(when, _)| *when >= begun) {
            self.forget(peer, &slot);
            return Err(failure.clone());
        }
        state.generation += 1;
        let made = self.make(peer, connector, &slot).await;
        match &made {
            Ok(Sender::Http2(connection)) => state.connection = Some(connection.clone()),
            // Serves one request.
            Ok(Sender::Http1(_)) => {}
            Err(error) => {
                state.failure = Some((Instant::now(), error.clone()));
                self.forget(peer, &slot);
            }
        }
        Ok(Connection { sender: made?, reused: false, generation: state.generation, in_use })
    }

    async fn make(
        &self,
        peer: (&Domain, Service),
        connector: &Connector,
        slot: &Arc<Slot>,
    ) -> Result<Sender, SendError> {
        let _attempt = self.attempts.acquire().await;
        let stream = connector.connect(peer, Purpose::Requests).await?;
        let made = match stream.get_ref().1.alpn_protocol() == Some(HTTP_2) {
            true => self.http2(stream, slot).await.map(Sender::Http2),
            false => http1(stream).await.map(Sender::Http1),
        };
        let host = || host::name(peer.1, peer.0);
        made.map_err(|error| SendError::Broken { host: host(), reason: Arc::new(error) })
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
            // Says goodbye, now that there is nobody left who could send.
            report(connection.await);
        });
        Ok(sender)
    }

    /// Keeps no place for a peer that cannot be reached, once nobody waits there: others need them.
    fn forget(&self, (domain, service): (&Domain, Service), slot: &Arc<Slot>) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let peer = (domain.clone(), service);
        let ours = slots.get(&peer).is_some_and(|known| Arc::ptr_eq(known, slot));
        if ours && slot.requests.load(Ordering::Acquire) == 1 {
            slots.remove(&peer);
        }
    }

    fn slot(&self, (domain, service): (&Domain, Service)) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let peer = (domain.clone(), service);
        if let Some(slot) = slots.get(&peer) {
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
        slots.insert(peer, Arc::clone(&slot));
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

/// Returns when the slot's connection was not used for `time`, and is out of its place; or when the slot is gone.
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
    /// Whether it was there before, and may have died since.
    pub fn is_reused(&self) -> bool {
        self.reused
    }

    /// Sends a request, and returns when the head of the response is there.
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

    /// Has others get another connection: this one is broken.
    pub async fn discard(self) {
        let mut state = self.in_use.0.state.lock().await;
        if state.generation == self.generation {
            state.connection = None;
        }
    }
}
