//! Servers that are not homeservers, and lines that break.

use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use phoenix_core::identifiers::Domain;
use phoenix_hyper::{
    peers::Override,
    service::MEDIA_TYPE,
    tls::{self, Identity},
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

pub type Body = BoxBody<Bytes, Infallible>;

/// A server with the right certificate and arbitrary answers.
pub struct Rogue {
    pub domain: Domain,
    pub address: SocketAddr,
    pub accepted: Arc<AtomicUsize>,
    /// Connections that are open.
    pub open: watch::Receiver<usize>,
    identity: Identity,
}

impl Rogue {
    pub async fn start<H, F>(name: &str, alpn: &[&[u8]], handler: H) -> Self
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let domain = super::domain(name);
        let identity = Identity::self_signed(&domain).unwrap();
        let mut config = (*tls::server_config(&identity).unwrap()).clone();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let (count, open) = watch::channel(0);
        let counter = Arc::clone(&accepted);
        tokio::spawn(async move {
            let count = Arc::new(count);
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counter.fetch_add(1, Ordering::SeqCst);
                count.send_modify(|open| *open += 1);
                let (acceptor, handler, count) = (acceptor.clone(), handler.clone(), Arc::clone(&count));
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        let service = service_fn(|request| {
                            let response = handler(request);
                            async move { Ok::<_, Infallible>(response.await) }
                        });
                        let builder = auto::Builder::new(TokioExecutor::new());
                        let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                    }
                    count.send_modify(|open| *open -= 1);
                });
            }
        });
        Self { domain, address, accepted, open, identity }
    }

    pub fn target(&self) -> Override {
        Override { address: self.address, certificates: self.identity.certificates().to_vec() }
    }

    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Waits until no connection is open.
    pub async fn abandoned(&mut self) {
        super::soon(self.open.wait_for(|open| *open == 0)).await.unwrap();
    }
}

pub fn body(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed()
}

/// A response of the protocol's media type.
pub fn response(status: u16, bytes: impl Into<Bytes>) -> Response<Body> {
    Response::builder().status(status).header("content-type", MEDIA_TYPE).body(body(bytes)).unwrap()
}

/// A line to a server that can break in two ways.
pub struct Line {
    pub address: SocketAddr,
    current: Arc<Mutex<Fate>>,
}

#[derive(Clone, Default)]
struct Fate {
    silent: CancellationToken,
    cut: CancellationToken,
}

impl Line {
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let current = Arc::new(Mutex::new(Fate::default()));
        let fates = Arc::clone(&current);
        tokio::spawn(async move {
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let mut far = TcpStream::connect(server).await.unwrap();
                let fate = fates.lock().unwrap().clone();
                tokio::spawn(async move {
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        () = fate.cut.cancelled() => {}
                        // Both ends stay open and receive nothing further.
                        () = fate.silent.cancelled() => std::future::pending().await,
                    }
                });
            }
        });
        Self { address, current }
    }

    /// Silences the open connections; later ones work.
    pub fn fall_silent(&self) {
        std::mem::take(&mut *self.current.lock().unwrap()).silent.cancel();
    }

    /// Cuts the open connections; later ones work.
    pub fn cut(&self) {
        std::mem::take(&mut *self.current.lock().unwrap()).cut.cancel();
    }
}
