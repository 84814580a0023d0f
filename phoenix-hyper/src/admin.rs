//! The address for the operator: plain HTTP/1.1, one request per connection.
//!
//! | path | answer |
//! | --- | --- |
//! | `/healthz` | 200: the process is alive |
//! | `/readyz` | 200 if requests are served; 503 with the reason while the homeserver stops, or if its store cannot be used |
//! | `/metrics` | the [`metrics`] |

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{self, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use phoenix_core::{operation::timers, store::Reads};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    metrics::{self, Load, Metrics},
    node::{Environment, Node},
    store::Store,
};

/// Connections at once: an operator's tools open few.
const CONNECTIONS: usize = 32;

/// How long a connection may take in all.
const CONNECTION_TIME: Duration = Duration::from_secs(15);

/// How long the store may take for a read and still count as ready. Probes commonly wait 10 seconds.
const READ_TIME: Duration = Duration::from_secs(5);

/// The pause after a connection could not be accepted, for lack of files for example.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listener for the operator's tools.
pub struct Admin<S, E> {
    listener: TcpListener,
    state: Arc<State<S, E>>,
}

struct State<S, E> {
    node: Node<S, E>,
    metrics: Arc<Metrics>,
    stopping: CancellationToken,
}

impl<S: Store, E: Environment> Admin<S, E> {
    /// Listens on `address`. The homeserver is not ready once `stopping` is cancelled.
    ///
    /// # Errors
    /// The system's error if the address cannot be used.
    pub async fn bind(
        address: SocketAddr,
        node: Node<S, E>,
        metrics: Arc<Metrics>,
        stopping: CancellationToken,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self { listener, state: Arc::new(State { node, metrics, stopping }) })
    }

    /// Returns the address that it listens on.
    ///
    /// # Errors
    /// The system's error if it does not know.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers requests until the future is dropped.
    pub async fn run(self) -> Infallible {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            // The semaphore is never closed.
            let place = Arc::clone(&places).acquire_owned().await;
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let state = Arc::clone(&self.state);
                    tokio::spawn(async move {
                        let _place = place;
                        // A slow or broken connection is dropped.
                        let _ = timeout(CONNECTION_TIME, state.serve(stream)).await;
                    });
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }
}

impl<S: Store, E: Environment> State<S, E> {
    async fn serve(self: Arc<Self>, stream: TcpStream) {
        let service = service_fn(|request| {
            let state = Arc::clone(&self);
            async move { Ok::<_, Infallible>(state.answer(&request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .keep_alive(false)
            .max_buf_size(16 << 10)
            .serve_connection(TokioIo::new(stream), service);
        // An error concerns the client only.
        let _ = connection.await;
    }

    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match request.uri().path() {
            "/healthz" => text(StatusCode::OK, "alive\n"),
            "/readyz" => match self.unready().await {
                None => text(StatusCode::OK, "ready\n"),
                Some(reason) => text(StatusCode::SERVICE_UNAVAILABLE, reason),
            },
            "/metrics" => {
                let load = Load {
                    under_way: self.node.under_way(),
                    listeners: self.node.listening(),
                    timers: self.node.timers(),
                };
                let mut response = text(StatusCode::OK, self.metrics.render(load));
                let kind = HeaderValue::from_static(metrics::MEDIA_TYPE);
                response.headers_mut().insert(header::CONTENT_TYPE, kind);
                response
            }
            _ => text(StatusCode::NOT_FOUND, "there are /healthz, /readyz and /metrics\n"),
        }
    }

    /// Why requests are not served; `None` if they are.
    async fn unready(&self) -> Option<&'static str> {
        if self.stopping.is_cancelled() || self.node.is_draining() {
            return Some("draining: the homeserver stops\n");
        }
        if self.node.store().health().is_err() {
            return Some("the store takes no commits\n");
        }
        let reads = Reads { keys: Vec::new(), scans: vec![timers::scan(1)] };
        match timeout(READ_TIME, self.node.store().read(reads)).await {
            Ok(Ok(_)) => None,
            Ok(Err(_)) => Some("the store cannot be read\n"),
            Err(_) => Some("the store does not answer\n"),
        }
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use std::{
        net::Ipv4Addr,
        sync::atomic::{AtomicBool, Ordering},
    };

    use phoenix_core::{
        config::Config,
        error::PeerFailure,
        homeserver::Homeserver,
        identifiers::Domain,
        keys::ServiceKeys,
        operation::{Ask, Report},
        rng::Random,
        store::{Commit, Settlement, commit::Rows},
        time::Timestamp,
    };
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        runtime::Handle,
    };

    use super::*;
    use crate::{
        node::NodeLimits,
        store::{MemoryStore, StoreError},
    };

    /// An environment without other homeservers.
    struct Alone;

    impl Environment for Alone {
        fn now(&self) -> Timestamp {
            Timestamp::from_milliseconds(1_800_000_000_000)
        }

        fn seed(&self) -> [u8; 32] {
            [1; 32]
        }

        async fn ask(&self, _: Ask) -> Result<Vec<u8>, PeerFailure> {
            Err(PeerFailure::NoAnswer)
        }

        fn report(&self, _: Report) {}
    }

    /// A store whose reads can be made to fail.
    #[derive(Clone, Default)]
    struct Breakable(Arc<(MemoryStore, AtomicBool)>);

    impl Store for Breakable {
        async fn read(&self, reads: Reads) -> Result<Rows, StoreError> {
            if self.0.1.load(Ordering::Acquire) {
                return Err(StoreError::Unavailable("broken".to_owned()));
            }
            self.0.0.read(reads).await
        }

        async fn commit(&self, commit: Commit) -> Settlement {
            self.0.0.commit(commit).await
        }
    }

    /// A homeserver with an address for its operator.
    struct Running {
        address: SocketAddr,
        store: Breakable,
        node: Node<Breakable, Alone>,
        stopping: CancellationToken,
    }

    async fn running() -> Running {
        let domain: Domain = "example.com".parse().unwrap();
        let keys = ServiceKeys::generate(&domain, &mut Random::from_seed([1; 32]), Alone.now());
        let homeserver = Homeserver::new(Config::new(domain), keys);
        let (store, stopping) = (Breakable::default(), CancellationToken::new());
        let node = Node::new(homeserver, store.clone(), Alone, NodeLimits::default(), Handle::current());
        let address = (Ipv4Addr::LOCALHOST, 0).into();
        let admin = Admin::bind(address, node.clone(), Arc::default(), stopping.clone()).await.unwrap();
        let address = admin.address().unwrap();
        tokio::spawn(admin.run());
        Running { address, store, node, stopping }
    }

    impl Running {
        async fn get(&self, method: &str, path: &str) -> String {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            let request = format!("{method} {path} HTTP/1.1\r\nhost: here\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        }
    }

    #[tokio::test]
    async fn each_path_has_its_answer() {
        let homeserver = running().await;
        assert!(homeserver.get("GET", "/healthz").await.starts_with("HTTP/1.1 200 "));
        assert!(homeserver.get("GET", "/readyz").await.ends_with("ready\n"));
        assert!(homeserver.get("GET", "/metrics").await.contains("phoenix_operations_under_way 0"));
        assert!(homeserver.get("GET", "/metrics").await.contains("application/openmetrics-text"));
        assert!(homeserver.get("GET", "/").await.starts_with("HTTP/1.1 404 "));
        assert!(homeserver.get("POST", "/metrics").await.starts_with("HTTP/1.1 405 "));
    }

    #[tokio::test]
    async fn a_broken_store_is_not_ready_but_alive() {
        let homeserver = running().await;
        homeserver.store.0.1.store(true, Ordering::Release);
        let answer = homeserver.get("GET", "/readyz").await;
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("the store cannot be read\n"));
        assert!(homeserver.get("GET", "/healthz").await.starts_with("HTTP/1.1 200 "));
        homeserver.store.0.1.store(false, Ordering::Release);
        assert!(homeserver.get("GET", "/readyz").await.starts_with("HTTP/1.1 200 "));
    }

    #[tokio::test]
    async fn a_stopping_homeserver_is_not_ready() {
        let first = running().await;
        first.stopping.cancel();
        assert!(first.get("GET", "/readyz").await.contains("draining"));
        let second = running().await;
        second.node.drain().await;
        assert!(second.get("GET", "/readyz").await.starts_with("HTTP/1.1 503 "));
    }

    /// Silent connections do not keep others out for long.
    #[tokio::test(start_paused = true)]
    async fn silent_connections_are_closed() {
        let homeserver = running().await;
        let mut silent = Vec::new();
        for _ in 0..CONNECTIONS {
            silent.push(TcpStream::connect(homeserver.address).await.unwrap());
        }
        for stream in &mut silent {
            assert_eq!(stream.read(&mut [0; 16]).await.unwrap(), 0);
        }
        // From here on, time passes by itself.
        tokio::time::resume();
        assert!(homeserver.get("GET", "/healthz").await.starts_with("HTTP/1.1 200 "));
    }
}
