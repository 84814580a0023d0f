//! Homeservers behind real sockets, and requests to them.
#![allow(dead_code)]

pub mod rogue;

use std::{
    collections::BTreeMap,
    future::Future,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, Response, StatusCode, body::Bytes};
use hyper_util::rt::{TokioExecutor, TokioIo};
use phoenix_core::{
    codec::encode,
    config::Config,
    error::PeerFailure,
    homeserver::Homeserver,
    identifiers::{Domain, RequestId},
    keys::ServiceKeys,
    operation::{Ask, Report},
    rng::Random,
    time::Timestamp,
    wire::{
        envelope::{RequestEnvelope, ResponseEnvelope},
        operations::RequestBody,
        queuing_service::GetQsKeys,
    },
};
use phoenix_hyper::{
    node::{Environment, Node, NodeLimits},
    peers::{Override, Peers, Reach},
    server::{Server, ServerLimits},
    service::{BodyLimits, HttpService, MEDIA_TYPE},
    store::MemoryStore,
    tls::{self, Identity, Roots},
};
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName};
use tokio::{net::TcpStream, runtime::Handle, sync::oneshot, task::JoinHandle};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// How long to wait for something that should happen soon. Only a failing test waits this long.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Fails the test if `future` hangs.
pub async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.unwrap()
}

/// An environment with or without other homeservers.
pub struct TestEnvironment(pub Option<Peers>);

impl Environment for TestEnvironment {
    fn now(&self) -> Timestamp {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Timestamp::from_milliseconds(elapsed.as_millis().try_into().unwrap())
    }

    fn seed(&self) -> [u8; 32] {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).unwrap();
        seed
    }

    async fn ask(&self, ask: Ask) -> Result<Vec<u8>, PeerFailure> {
        let peers = self.0.as_ref().ok_or(PeerFailure::NoAnswer)?;
        peers.send(&ask.domain, ask.service, ask.request).await.map_err(|error| PeerFailure::from(&error))
    }

    fn report(&self, _: Report) {}
}

pub fn domain(name: &str) -> Domain {
    name.parse().unwrap()
}

/// Starts a node of the homeserver of `domain`.
pub fn node(domain: &Domain, peers: Option<Peers>) -> Node<MemoryStore, TestEnvironment> {
    let environment = TestEnvironment(peers);
    let keys = ServiceKeys::generate(domain, &mut Random::from_seed([1; 32]), environment.now());
    let homeserver = Homeserver::new(Config::new(domain.clone()), keys);
    let node =
        Node::new(homeserver, MemoryStore::default(), environment, NodeLimits::default(), Handle::current());
    node.start();
    node
}

/// A homeserver that listens.
pub struct Running {
    pub domain: Domain,
    pub address: SocketAddr,
    pub identity: Identity,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    /// Starts the homeserver of the domain `name`.
    pub async fn start(name: &str) -> Self {
        Self::with_limits(name, ServerLimits::default(), BodyLimits::default()).await
    }

    pub async fn with_limits(name: &str, limits: ServerLimits, bodies: BodyLimits) -> Self {
        let domain = domain(name);
        let identity = Identity::self_signed(&domain).unwrap();
        let any = ([127, 0, 0, 1], 0).into();
        Self::at(any, identity, HttpService::with_limits(node(&domain, None), bodies), limits).await
    }

    pub async fn at(
        address: SocketAddr,
        identity: Identity,
        service: HttpService<MemoryStore, TestEnvironment>,
        limits: ServerLimits,
    ) -> Self {
        let tls = tls::server_config(&identity).unwrap();
        let domain = service.node().homeserver().domain().clone();
        let server = Server::bind(address, tls, service, limits).await.unwrap();
        let address = server.address();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Self { domain, address, identity, stop, task }
    }

    /// Stops it. The task that is returned ends when it has stopped.
    pub fn stop(self) -> JoinHandle<()> {
        let _ = self.stop.send(());
        self.task
    }

    /// Its address and certificate, for peers.
    pub fn target(&self) -> Override {
        Override { address: self.address, certificates: self.identity.certificates().to_vec() }
    }

    /// Peers with this homeserver only.
    pub fn peers(&self) -> Peers {
        Peers::new(reach([(&self.domain, self.target())])).unwrap()
    }
}

/// A reach of these homeservers and no other.
pub fn reach<'a>(targets: impl IntoIterator<Item = (&'a Domain, Override)>) -> Reach {
    let overrides = targets.into_iter().map(|(domain, target)| (domain.clone(), target));
    Reach {
        overrides: overrides.collect::<BTreeMap<_, _>>(),
        roots: Roots::Only(Vec::new()),
        ..Reach::default()
    }
}

/// An encoded request.
pub fn envelope<B: RequestBody>(domain: &Domain, body: &B) -> Vec<u8> {
    let now = TestEnvironment(None).now();
    encode(&RequestEnvelope::to(domain.clone(), now, RequestId([3; 16]), body).unsigned().unwrap())
}

/// A request that every queuing service answers.
pub fn key_request(domain: &Domain) -> Vec<u8> {
    envelope(domain, &GetQsKeys {})
}

/// Fails the test unless `answer` contains the keys of the queuing service of `domain`.
pub fn assert_keys(answer: &[u8], domain: &Domain) {
    let keys = ResponseEnvelope::read::<<GetQsKeys as RequestBody>::Reply>(answer).unwrap().unwrap();
    assert_eq!(keys.keys.content.domain, *domain);
}

/// The TLS configuration of a plain HTTP client.
pub fn client_config(identity: &Identity, alpn: &[u8]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    identity.certificates().iter().for_each(|certificate| roots.add(certificate.clone()).unwrap());
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    Arc::new(config)
}

/// A TLS connection with a homeserver.
pub async fn connect(running: &Running, alpn: &[u8]) -> TlsStream<TcpStream> {
    let stream = TcpStream::connect(running.address).await.unwrap();
    let name = ServerName::try_from(running.domain.to_string()).unwrap();
    let config = client_config(&running.identity, alpn);
    TlsConnector::from(config).connect(name, stream).await.unwrap()
}

/// A response that has arrived.
#[derive(Debug)]
pub struct Arrived {
    pub status: StatusCode,
    pub headers: hyper::HeaderMap,
    pub body: Vec<u8>,
}

pub async fn arrived(response: Response<hyper::body::Incoming>) -> Arrived {
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    Arrived { status: head.status, headers: head.headers, body }
}

/// Sends a request on an HTTP/1.1 connection of its own.
pub async fn http1(running: &Running, request: Request<Full<Bytes>>) -> Arrived {
    let stream = TokioIo::new(connect(running, tls::HTTP_1_1).await);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    arrived(soon(sender.send_request(request)).await.unwrap()).await
}

/// Sends a request on an HTTP/2 connection of its own.
pub async fn http2(running: &Running, request: Request<Full<Bytes>>) -> Arrived {
    let stream = TokioIo::new(connect(running, tls::HTTP_2).await);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    arrived(soon(sender.send_request(request)).await.unwrap()).await
}

/// A request in the form of HTTP/1.1.
pub fn request(method: Method, host: &str, path: &str, body: Vec<u8>) -> Request<Full<Bytes>> {
    let builder = Request::builder().method(method).uri(path).header("host", host);
    builder.header("content-type", MEDIA_TYPE).body(Full::new(body.into())).unwrap()
}
