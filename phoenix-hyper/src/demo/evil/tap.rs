//! A reverse proxy that ends TLS for a homeserver and records what passes by: the risk of every operator who
//! puts another's machine in front of a homeserver.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{self, HeaderValue},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use phoenix_core::{identifiers::Domain, limits::MAX_LARGE_REQUEST};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::{
    host,
    peers::Peers,
    service::MEDIA_TYPE,
    tls::{Identity, TlsError, server_config},
};

/// A request that passed by, with its answer.
#[derive(Clone)]
pub struct Exchange {
    /// The homeserver that it was sent to.
    pub to: Domain,
    /// The encoded request.
    pub request: Vec<u8>,
    /// The encoded answer.
    pub answer: Vec<u8>,
}

/// Everything that passed by, in the order of the answers.
#[derive(Clone, Default)]
pub struct Record(Arc<Mutex<Vec<Exchange>>>);

impl Record {
    fn add(&self, exchange: Exchange) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(exchange);
    }

    /// Returns what has passed by so far.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Why a proxy cannot run.
#[derive(Debug, thiserror::Error)]
pub enum TapError {
    /// Its certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Its address is in use.
    #[error("{0}")]
    Io(#[from] io::Error),
}

#[derive(Clone)]
struct Tap {
    domain: Domain,
    /// Reaches the homeserver behind the proxy.
    behind: Peers,
    record: Record,
}

/// Starts a proxy for `domain` at `address`, which passes requests on to the homeserver through `behind`.
///
/// # Errors
/// [`TapError`] if the certificate or the address cannot be used.
pub async fn open(
    address: SocketAddr,
    identity: &Identity,
    domain: Domain,
    behind: Peers,
    record: Record,
) -> Result<(), TapError> {
    let acceptor = TlsAcceptor::from(server_config(identity)?);
    let listener = TcpListener::bind(address).await?;
    let tap = Tap { domain, behind, record };
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, tap) = (acceptor.clone(), tap.clone());
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let service = service_fn(|request| {
                    let tap = tap.clone();
                    async move { Ok::<_, Infallible>(tap.pass_on(request).await) }
                });
                let builder = auto::Builder::new(TokioExecutor::new());
                // Errors of a connection show at its ends.
                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    Ok(())
}

impl Tap {
    async fn pass_on(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let of_header = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let named = request.uri().host().or(of_header).unwrap_or_default().to_owned();
        let name = named.split(':').next().unwrap_or_default();
        let Some(service) = host::service(name, &self.domain) else {
            return status(StatusCode::MISDIRECTED_REQUEST);
        };
        let Ok(body) = Limited::new(request.into_body(), MAX_LARGE_REQUEST).collect().await else {
            return status(StatusCode::BAD_REQUEST);
        };
        let request = body.to_bytes().to_vec();
        let Ok(answer) = self.behind.send(&self.domain, service, request.clone()).await else {
            return status(StatusCode::BAD_GATEWAY);
        };
        self.record.add(Exchange { to: self.domain.clone(), request, answer: answer.clone() });
        let mut response = Response::new(Full::new(answer.into()));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        response
    }
}

fn status(code: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = code;
    response
}
