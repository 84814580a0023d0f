//! The HTTP service: requests are answered, and everything else is refused with its reason.
#![allow(clippy::unwrap_used)]

mod support;

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, StatusCode,
    body::{Body, Bytes, Frame},
    header,
};
use phoenix_core::{
    error::Refusal,
    wire::{
        auth_service::GetAsCredentials, delivery_service::RequestGroupId, envelope::ResponseEnvelope,
        operations::RequestBody,
    },
};
use phoenix_hyper::service::{BodyLimits, HttpService, MEDIA_TYPE};
use support::{Running, assert_keys, envelope, http1, http2, key_request, request};

const QS: &str = "qs.a.localhost";

fn absolute(method: Method, host: &str, body: Vec<u8>) -> Request<Full<Bytes>> {
    let builder = Request::builder().method(method).uri(format!("https://{host}/"));
    builder.header("content-type", MEDIA_TYPE).body(Full::new(body.into())).unwrap()
}

#[tokio::test]
async fn both_versions_of_http_are_served() {
    let a = Running::start("a.localhost").await;
    let keys = key_request(&a.domain);
    for arrived in [
        http1(&a, request(Method::POST, QS, "/", keys.clone())).await,
        http2(&a, absolute(Method::POST, QS, keys)).await,
    ] {
        assert_eq!(arrived.status, StatusCode::OK);
        assert_eq!(arrived.headers[header::CONTENT_TYPE], MEDIA_TYPE);
        assert_keys(&arrived.body, &a.domain);
    }
}

#[tokio::test]
async fn refusals_are_answers() {
    let a = Running::start("a.localhost").await;
    let body = envelope(&a.domain, &RequestGroupId {});
    let arrived = http1(&a, request(Method::POST, "ds.a.localhost", "/", body)).await;
    assert_eq!(arrived.status, StatusCode::OK);
    let refusal = ResponseEnvelope::read::<<RequestGroupId as RequestBody>::Reply>(&arrived.body).unwrap();
    assert_eq!(refusal, Err(Refusal::TokenNeeded));
}

#[tokio::test]
async fn only_the_services_own_names_are_served() {
    let a = Running::start("a.localhost").await;
    let keys = || key_request(&a.domain);
    for host in [QS, "QS.A.LocalHost", "qs.a.localhost:443", "qs.a.localhost:8443"] {
        assert_eq!(
            http1(&a, request(Method::POST, host, "/", keys())).await.status,
            StatusCode::OK,
            "{host}"
        );
    }
    for host in ["a.localhost", "qs.b.localhost", "127.0.0.1", "qs.a.localhost.", "qs.qs.a.localhost", ""] {
        let arrived = http1(&a, request(Method::POST, host, "/", keys())).await;
        assert_eq!(arrived.status, StatusCode::MISDIRECTED_REQUEST, "{host}");
    }
    let two = Request::post("/").header("host", QS).header("host", "qs.b.localhost");
    let two = two.header("content-type", MEDIA_TYPE).body(Full::new(keys().into())).unwrap();
    assert_eq!(http1(&a, two).await.status, StatusCode::MISDIRECTED_REQUEST);
    let other = http2(&a, absolute(Method::POST, "qs.b.localhost", keys())).await;
    assert_eq!(other.status, StatusCode::MISDIRECTED_REQUEST);
}

#[tokio::test]
async fn an_operation_of_another_service_is_not_found() {
    let a = Running::start("a.localhost").await;
    let arrived = http1(&a, request(Method::POST, QS, "/", envelope(&a.domain, &GetAsCredentials {}))).await;
    assert_eq!(arrived.status, StatusCode::NOT_FOUND);
    // Only the core knows which operations exist.
    let arrived = http1(&a, request(Method::POST, QS, "/", vec![0, 1, 0xff, 0xff])).await;
    assert_eq!(arrived.status, StatusCode::OK);
    let refusal = ResponseEnvelope::read::<<RequestGroupId as RequestBody>::Reply>(&arrived.body).unwrap();
    assert_eq!(refusal, Err(Refusal::UnknownOperation));
}

#[tokio::test]
async fn other_requests_are_refused_with_a_reason() {
    let a = Running::start("a.localhost").await;
    for (method, path, media_type, expected) in [
        (Method::GET, "/", MEDIA_TYPE, StatusCode::METHOD_NOT_ALLOWED),
        (Method::POST, "/elsewhere", MEDIA_TYPE, StatusCode::NOT_FOUND),
        (Method::POST, "/", "text/plain", StatusCode::UNSUPPORTED_MEDIA_TYPE),
    ] {
        let request = Request::builder().method(method).uri(path).header("host", QS);
        let request = request.header("content-type", media_type).body(Full::default()).unwrap();
        let arrived = http1(&a, request).await;
        assert_eq!(arrived.status, expected);
        assert!(!arrived.body.is_empty(), "{expected} comes with a reason");
        if expected == StatusCode::METHOD_NOT_ALLOWED {
            assert_eq!(arrived.headers[header::ALLOW], "POST");
        }
    }
}

/// Frameworks hand over bodies of types of their own.
#[tokio::test]
async fn bodies_of_any_type_are_read_within_the_limits() {
    let node = support::node(&support::domain("a.localhost"), None);
    let limits = BodyLimits { bytes: 1 << 20, ..BodyLimits::default() };
    let service = HttpService::with_limits(node, limits);
    let keys = key_request(service.node().homeserver().domain());
    let post = |body: Framed| {
        let request = Request::post("https://qs.a.localhost/").header("content-type", MEDIA_TYPE);
        service.answer(request.body(body).unwrap())
    };
    let (first, rest) = keys.split_at(keys.len() / 2);
    let answer = post(Framed::new([Ok(first), Ok(rest)])).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let answer = answer.into_body().collect().await.unwrap().to_bytes();
    assert_keys(&answer, service.node().homeserver().domain());
    let broken = post(Framed::new([Ok(first), Err("the connection broke")])).await;
    assert_eq!(broken.status(), StatusCode::BAD_REQUEST);
    let huge = vec![0; 1 << 20];
    let exhausted = post(Framed::new([Ok(first), Ok(&huge)])).await;
    assert_eq!(exhausted.status(), StatusCode::SERVICE_UNAVAILABLE);
}

/// Mounts the service under the bounds that frameworks on tower, axum for example, require.
#[tokio::test]
async fn the_service_can_be_mounted_on_tower() {
    async fn mounted<T, B>(mut service: T, request: Request<B>) -> T::Response
    where
        T: tower_service::Service<Request<B>, Error = Infallible> + Clone + Send + Sync + 'static,
        T::Future: Send + 'static,
    {
        let Ok(()) = std::future::poll_fn(|context| service.poll_ready(context)).await;
        let Ok(response) = service.call(request).await;
        response
    }
    let service = HttpService::new(support::node(&support::domain("a.localhost"), None));
    let request = Request::post("/").header("host", QS).header("content-type", MEDIA_TYPE);
    let keys = key_request(service.node().homeserver().domain());
    let answer = mounted(service.clone(), request.body(Framed::new([Ok(&keys)])).unwrap()).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let elsewhere = Request::post("/").header("host", "a.localhost").body(Full::<Bytes>::default()).unwrap();
    assert_eq!(mounted(service, elsewhere).await.status(), StatusCode::MISDIRECTED_REQUEST);
}

/// A body of frames, any of which may fail. Its error implements no trait of errors.
struct Framed(VecDeque<Result<Bytes, &'static str>>);

impl Framed {
    fn new<const N: usize>(frames: [Result<&[u8], &'static str>; N]) -> Self {
        Self(frames.into_iter().map(|frame| frame.map(Bytes::copy_from_slice)).collect())
    }
}

impl Body for Framed {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.0.pop_front().map(|frame| frame.map(Frame::data)))
    }
}
