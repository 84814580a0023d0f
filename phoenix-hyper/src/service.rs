//! A node as a hyper service: `POST /` with the bytes of a request, answered with the bytes of the response
//! (protocol.md §2, §5).
//!
//! Each service has a host name of its own. A response of our media type is an answer of the protocol, whatever its
//! status; any other says that there was no request, and in a line of text why.

use std::{convert::Infallible, future::Future, pin::Pin, time::Duration};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{self, HeaderValue},
    http::uri::Authority,
};
use phoenix_core::{
    error::Refusal,
    limits::{MAX_LARGE_REQUEST, SUPPORTED_VERSIONS},
    operation::Service,
    wire::{envelope::ResponseEnvelope, operations::OperationKind},
};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

pub use crate::body::MEDIA_TYPE;
use crate::{
    body::{self, BodyError, Budget, Counted, Part, Share},
    host, listen,
    node::{Environment, Node},
    store::Store,
};

/// What the HTTP side answers with.
pub type Answer = Response<Full<Bytes>>;

/// What bodies may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BodyLimits {
    /// Time for the body of a request: 8 MiB through a line of 3 Mbit/s.
    pub time: Duration,
    /// Bytes of requests and answers in memory at once, so that many slow ones do not add up.
    pub bytes: usize,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self { time: Duration::from_secs(25), bytes: 512 << 20 }
    }
}

/// Serves a node. Cheap to clone.
///
/// Requests are recognised by their host: `as.`, `ds.` or `qs.` before the homeserver's domain.
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
    /// A service for `node`.
    pub fn new(node: Node<S, E>) -> Self {
        Self::with_limits(node, BodyLimits::default())
    }

    /// A service for `node` with limits of your own.
    pub fn with_limits(node: Node<S, E>, limits: BodyLimits) -> Self {
        Self { node, limits, budget: Budget::new(limits.bytes) }
    }

    /// The node.
    pub fn node(&self) -> &Node<S, E> {
        &self.node
    }

    async fn answer(self, request: Request<Incoming>) -> Answer {
        let service = host(&request).and_then(|host| host::service(&host, self.node.homeserver().domain()));
        let Some(service) = service else { return HttpError::Misdirected.into() };
        match request.uri().path() {
            listen::PATH if service == Service::Queuing => listen::upgrade(self.node, request),
            "/" => self.exchange(service, request).await.unwrap_or_else(Into::into),
            _ => HttpError::NotFound.into(),
        }
    }

    async fn exchange(self, service: Service, request: Request<Incoming>) -> Result<Answer, HttpError> {
        if request.method() != Method::POST {
            return Err(HttpError::MethodNotAllowed("POST"));
        }
        if !body::is_ours(request.headers()) {
            return Err(HttpError::MediaType);
        }
        let budget = self.budget.within(request.extensions().get::<Part>());
        let body = body::read(request.into_body(), MAX_LARGE_REQUEST, &budget);
        let Counted { bytes, share } = match timeout(self.limits.time, body).await {
            Ok(Ok(body)) => body,
            Ok(Err(BodyError::Exhausted)) => return Ok(exhausted()),
            Ok(Err(BodyError::TooLarge)) => return Err(HttpError::TooLarge),
            Ok(Err(BodyError::Broken(_))) => return Err(HttpError::Broken),
            Err(_) => return Err(HttpError::Timeout),
        };
        if addressee(&bytes).is_some_and(|addressee| addressee != service) {
            return Err(HttpError::WrongService);
        }
        // Whoever hangs up leaves the operation behind, and its bytes with it.
        let answer = self.node.serve_holding(bytes, share).await;
        // Counted until it is written: readers take their time too.
        let mut share = Share::default();
        if !budget.enlarge(&mut share, answer.len()) {
            return Ok(exhausted());
        }
        Ok(respond(Counted { bytes: answer, share }))
    }
}

impl<S: Store, E: Environment> hyper::service::Service<Request<Incoming>> for HttpService<S, E> {
    type Response = Answer;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { Ok(service.answer(request).await) })
    }
}

/// The host that a request is for, without its port.
fn host(request: &Request<Incoming>) -> Option<String> {
    if let Some(host) = request.uri().host() {
        return Some(host.to_owned());
    }
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = Authority::try_from(hosts.next()?.as_bytes()).ok()?;
    // Two are none: others might have read the other.
    hosts.next().is_none().then(|| host.host().to_owned())
}

/// The service that an encoded request is for, as far as that can be told at a glance.
fn addressee(request: &[u8]) -> Option<Service> {
    let [a, b, c, d] = *request.first_chunk()?;
    let known = SUPPORTED_VERSIONS.contains(&u16::from_be_bytes([a, b]));
    let kind = OperationKind::from_code(u16::from_be_bytes([c, d]))?;
    known.then(|| kind.rules().service)
}

/// The response that carries an answer; its status says to proxies and tools what the answer says to the client.
fn respond(answer: Counted) -> Answer {
    let (status, retry_after) = match ResponseEnvelope::refusal(&answer.bytes) {
        Some(Refusal::RateLimited { retry_after_milliseconds }) => {
            (StatusCode::TOO_MANY_REQUESTS, Some(retry_after_milliseconds))
        }
        Some(
            Refusal::Unavailable { retry_after_milliseconds }
            | Refusal::PeerUnavailable { retry_after_milliseconds, .. },
        ) => (StatusCode::SERVICE_UNAVAILABLE, Some(retry_after_milliseconds)),
        _ => (StatusCode::OK, None),
    };
    let mut response = Response::new(Full::new(Bytes::from_owner(answer)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    if let Some(milliseconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, milliseconds.div_ceil(1000).into());
    }
    response
}

/// Too many bytes are under way: as when too many requests are.
fn exhausted() -> Answer {
    let refusal = Refusal::Unavailable { retry_after_milliseconds: 1000 };
    respond(Counted { bytes: ResponseEnvelope::refused(&refusal), share: Share::default() })
}

/// Why there was no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum HttpError {
    #[error("not a name of this homeserver: its services are at as., ds. and qs. before its domain")]
    Misdirected,
    #[error("there is nothing here: requests go to /")]
    NotFound,
    #[error("requests are made with {0}")]
    MethodNotAllowed(&'static str),
    #[error("a request is of the type application/vnd.phoenix")]
    MediaType,
    #[error("a request has at most {MAX_LARGE_REQUEST} bytes")]
    TooLarge,
    #[error("the body did not arrive in time")]
    Timeout,
    #[error("the body did not arrive")]
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
            (Refusal::TokenNeeded, 200, None),
            (Refusal::Internal, 200, None),
        ] {
            let bytes = ResponseEnvelope::refused(&refusal);
            let response = respond(Counted { bytes, share: Share::default() });
            assert_eq!(response.status(), status, "{refusal}");
            let header = response.headers().get(header::RETRY_AFTER).map(|value| value.to_str().unwrap());
            assert_eq!(header, retry_after, "{refusal}");
        }
    }
}
