//! A node as an HTTP service: `POST /` with the bytes of a request, answered with the bytes of the response
//! (PROTOCOL.md §5, Requests over HTTP).
//!
//! Each service of a homeserver has a host name of its own. A response of the media type [`MEDIA_TYPE`] is an
//! answer of the protocol, whatever its status. Any other response says in a line of text why there was no
//! request.
//!
//! [`HttpService`] checks host, path, method, media type, size and time itself, and reads bodies of any type:
//! mount it into hyper or tower as it is.
//!
//! ```
//! use http_body_util::{BodyExt, Full};
//! use hyper::{Request, StatusCode, body::Bytes};
//! use phoenix_core::{
//!     Config, Homeserver, Random, ServiceKeys, Timestamp,
//!     error::PeerFailure,
//!     operation::{Ask, Report},
//! };
//! use phoenix_hyper::{
//!     node::{Environment, Node, NodeLimits},
//!     service::{HttpService, MEDIA_TYPE},
//!     store::MemoryStore,
//! };
//!
//! struct Alone;
//!
//! impl Environment for Alone {
//!     fn now(&self) -> Timestamp {
//!         Timestamp::from_milliseconds(1_800_000_000_000)
//!     }
//!
//!     fn seed(&self) -> [u8; 32] {
//!         [7; 32] // An example only: draw 32 fresh random bytes on each call.
//!     }
//!
//!     async fn ask(&self, _: Ask) -> Result<Vec<u8>, PeerFailure> {
//!         Err(PeerFailure::NoAnswer)
//!     }
//!
//!     fn report(&self, _: Report) {}
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let keys = ServiceKeys::generate(&"example.com".parse()?, &mut Random::from_seed([1; 32]), Alone.now());
//! let homeserver = Homeserver::new(Config::new("example.com".parse()?), keys);
//! let workers = tokio::runtime::Handle::current();
//! let node = Node::new(homeserver, MemoryStore::default(), Alone, NodeLimits::default(), workers);
//! let service = HttpService::new(node);
//!
//! // A body that was never on a network.
//! let request = Request::post("https://qs.example.com/").header("content-type", MEDIA_TYPE);
//! let answer = service.answer(request.body(Full::<Bytes>::from("no request"))?).await;
//! assert_eq!(answer.status(), StatusCode::OK);
//! assert_eq!(answer.headers()["content-type"], MEDIA_TYPE);
//! let refusal = answer.into_body().collect().await?.to_bytes();
//! assert!(!refusal.is_empty());
//!
//! // Another host name is another server's.
//! let elsewhere = Request::post("https://example.org/").body(Full::<Bytes>::default())?;
//! assert_eq!(service.answer(elsewhere).await.status(), StatusCode::MISDIRECTED_REQUEST);
//! # Ok(())
//! # }
//! ```

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body, Bytes},
    header::{self, HeaderValue},
    http::uri::Authority,
};
use phoenix_core::{
    error::{Advice, Refusal},
    limits::{MAX_LARGE_REQUEST, SUPPORTED_VERSIONS},
    wire::{
        envelope::ResponseEnvelope,
        operations::{OperationKind, Service},
    },
};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

pub use crate::body::MEDIA_TYPE;
use crate::{
    body::{self, BodyError, Budget, Counted, Quota, Reservation},
    host, listen,
    node::{Environment, Node},
    store::Store,
};

/// The response of the service: either an answer of the protocol, or a line of text.
pub type Answer = Response<Full<Bytes>>;

/// What bodies may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BodyLimits {
    /// Time for the body of a request: enough for 8 MiB over a line of 3 Mbit/s.
    pub time: Duration,
    /// Bytes of requests and answers in memory at once, so that many slow clients do not exhaust it.
    pub bytes: usize,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self { time: Duration::from_secs(25), bytes: 512 << 20 }
    }
}

/// A node as an HTTP service. A clone is a cheap handle on the same service.
///
/// The service takes requests with a body of any type, [`hyper::body::Incoming`] among them. It is a
/// [`hyper::service::Service`] and a [`tower_service::Service`] whose error is [`Infallible`], so that it can
/// be mounted into hyper, tower and frameworks on tower (with axum: `Router::fallback_service`).
///
/// The host of a request names the service: `as.`, `ds.` or `qs.` before the homeserver's domain. A framework
/// in front must pass the host on as it came. A web socket needs an HTTP/1.1 connection whose upgrade the
/// server supports (`with_upgrades` in hyper).
pub struct HttpService<S, E> {
    node: Node<S, E>,
    limits: BodyLimits,
    budget: Budget,
}

impl<S, E> Clone for HttpService<S, E> {
    fn clone(&self) -> Self {
        Self { node: self.node.clone(), limits: self.limits, budget: self.budget.clone() }
    }
}

impl<S: Store, E: Environment> HttpService<S, E> {
    /// Creates a service for `node` with the default limits.
    pub fn new(node: Node<S, E>) -> Self {
        Self::with_limits(node, BodyLimits::default())
    }

    /// Creates a service for `node`.
    pub fn with_limits(node: Node<S, E>, limits: BodyLimits) -> Self {
        Self { node, limits, budget: Budget::new(limits.bytes) }
    }

    /// The node that this service serves.
    pub fn node(&self) -> &Node<S, E> {
        &self.node
    }

    /// Answers an HTTP request. Dropping the future does not stop an operation that has begun.
    pub async fn answer<B: Body<Data = Bytes> + Send + 'static>(&self, request: Request<B>) -> Answer {
        let service = host(&request).and_then(|host| host::service(&host, self.node.homeserver().domain()));
        let Some(service) = service else { return HttpError::Misdirected.into() };
        match request.uri().path() {
            listen::PATH if service == Service::Queuing => listen::upgrade(self.node.clone(), request),
            "/" => self.exchange(service, request).await.unwrap_or_else(Into::into),
            _ => HttpError::NotFound.into(),
        }
    }

    async fn exchange<B: Body<Data = Bytes>>(
        &self,
        service: Service,
        request: Request<B>,
    ) -> Result<Answer, HttpError> {
        if request.method() != Method::POST {
            return Err(HttpError::MethodNotAllowed("POST"));
        }
        if !body::has_media_type(request.headers()) {
            return Err(HttpError::MediaType);
        }
        let budget = self.budget.within(request.extensions().get::<Quota>());
        let body = body::read(request.into_body(), MAX_LARGE_REQUEST, &budget);
        let Counted { bytes, reservation } = match timeout(self.limits.time, body).await {
            Ok(Ok(body)) => body,
            Ok(Err(BodyError::Exhausted)) => return Ok(exhausted()),
            Ok(Err(BodyError::TooLarge)) => return Err(HttpError::TooLarge),
            Ok(Err(BodyError::Broken(_))) => return Err(HttpError::Broken),
            Err(_) => return Err(HttpError::Timeout),
        };
        if addressee(&bytes).is_some_and(|addressee| addressee != service) {
            return Err(HttpError::WrongService);
        }
        // If the client hangs up, the operation goes on and its bytes still count.
        let answer = self.node.serve_holding(bytes, reservation).await;
        // The answer counts until it is written: clients may read slowly.
        let mut reservation = Reservation::default();
        if !budget.grow(&mut reservation, answer.len()) {
            return Ok(exhausted());
        }
        Ok(respond(Counted { bytes: answer, reservation }))
    }
}

/// The answer to come.
type Answering = Pin<Box<dyn Future<Output = Result<Answer, Infallible>> + Send>>;

impl<S: Store, E: Environment> HttpService<S, E> {
    fn answering<B: Body<Data = Bytes> + Send + 'static>(&self, request: Request<B>) -> Answering {
        let service = self.clone();
        Box::pin(async move { Ok(service.answer(request).await) })
    }
}

impl<S, E, B> hyper::service::Service<Request<B>> for HttpService<S, E>
where
    S: Store,
    E: Environment,
    B: Body<Data = Bytes> + Send + 'static,
{
    type Response = Answer;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<B>) -> Self::Future {
        self.answering(request)
    }
}

impl<S, E, B> tower_service::Service<Request<B>> for HttpService<S, E>
where
    S: Store,
    E: Environment,
    B: Body<Data = Bytes> + Send + 'static,
{
    type Response = Answer;
    type Error = Infallible;
    type Future = Answering;

    /// Always ready: a request beyond the node's limits is refused, not delayed.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.answering(request)
    }
}

/// The host that a request is for, without its port.
fn host<B>(request: &Request<B>) -> Option<String> {
    if let Some(host) = request.uri().host() {
        return Some(host.to_owned());
    }
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = Authority::try_from(hosts.next()?.as_bytes()).ok()?;
    // Of two headers, a proxy may have taken the other.
    hosts.next().is_none().then(|| host.host().to_owned())
}

/// The service of an encoded request's operation, read from version and code alone.
fn addressee(request: &[u8]) -> Option<Service> {
    let [a, b, c, d] = *request.first_chunk()?;
    let known = SUPPORTED_VERSIONS.contains(&u16::from_be_bytes([a, b]));
    let kind = OperationKind::from_code(u16::from_be_bytes([c, d]))?;
    known.then(|| kind.rules().service)
}

/// The response that carries an answer. Its status tells proxies and tools what the answer tells the client.
fn respond(answer: Counted) -> Answer {
    let refusal = ResponseEnvelope::refusal(&answer.bytes);
    let wait = refusal.as_ref().and_then(|refusal| match refusal.advice() {
        Advice::Retry(wait) => Some(wait),
        Advice::GetToken | Advice::RefreshKeys | Advice::Rebase | Advice::Stop => None,
    });
    let status = match (&refusal, wait) {
        (_, None) => StatusCode::OK,
        (Some(Refusal::RateLimited { .. }), Some(_)) => StatusCode::TOO_MANY_REQUESTS,
        (_, Some(_)) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut response = Response::new(Full::new(Bytes::from_owner(answer)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    if let Some(wait) = wait {
        let seconds = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).div_ceil(1000);
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// The answer when the budget of bodies is exhausted: the same as to too many requests.
fn exhausted() -> Answer {
    let refusal = Refusal::Unavailable { retry_after_milliseconds: 1000 };
    respond(Counted { bytes: ResponseEnvelope::refused(&refusal), reservation: Reservation::default() })
}

/// Why a request never reached the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum HttpError {
    #[error("not a name of this homeserver: its services are at as., ds. and qs. before its domain")]
    Misdirected,
    #[error("nothing is served at this path: requests go to /")]
    NotFound,
    #[error("requests are made with {0}")]
    MethodNotAllowed(&'static str),
    #[error("the media type of a request is application/vnd.phoenix")]
    MediaType,
    #[error("a request has at most {MAX_LARGE_REQUEST} bytes")]
    TooLarge,
    #[error("the body did not arrive in time")]
    Timeout,
    #[error("the body did not arrive in full")]
    Broken,
    #[error("this operation belongs to another service of this homeserver")]
    WrongService,
}

impl HttpError {
    const fn status(self) -> StatusCode {
        match self {
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::NotFound | Self::WrongService => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
        }
    }
}

impl From<HttpError> for Answer {
    fn from(error: HttpError) -> Self {
        let mut response = Response::new(Full::new(format!("{error}\n").into()));
        *response.status_mut() = error.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        if let HttpError::MethodNotAllowed(allowed) = error {
            headers.insert(header::ALLOW, HeaderValue::from_static(allowed));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_says_what_the_refusal_says() {
        let domain = "b.example".parse().unwrap();
        for (refusal, status, retry_after) in [
            (Refusal::rate_limited(Duration::from_millis(1500)), 429, Some("2")),
            (Refusal::peer_unavailable(&domain, Duration::from_secs(3)), 503, Some("3")),
            (Refusal::Unavailable { retry_after_milliseconds: 1 }, 503, Some("1")),
            (Refusal::NoValidKey { retry_after_milliseconds: 600_000 }, 503, Some("600")),
            (Refusal::TokenNeeded, 200, None),
            (Refusal::Internal, 200, None),
        ] {
            let bytes = ResponseEnvelope::refused(&refusal);
            let response = respond(Counted { bytes, reservation: Reservation::default() });
            assert_eq!(response.status(), status, "{refusal}");
            let header = response.headers().get(header::RETRY_AFTER).map(|value| value.to_str().unwrap());
            assert_eq!(header, retry_after, "{refusal}");
        }
    }
}
