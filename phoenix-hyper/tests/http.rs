//! A homeserver behind real sockets: requests are answered, everything else is told what it is.
#![allow(clippy::unwrap_used)]

mod support;

use http_body_util::Full;
use hyper::{Method, Request, StatusCode, body::Bytes, header};
use phoenix_core::{
    error::Refusal,
    wire::{
        auth_service::GetAsCredentials, delivery_service::RequestGroupId, envelope::ResponseEnvelope,
        operations::RequestBody,
    },
};
use phoenix_hyper::service::MEDIA_TYPE;
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
    // What the operation is, only the core can say.
    let arrived = http1(&a, request(Method::POST, QS, "/", vec![0, 1, 0xff, 0xff])).await;
    assert_eq!(arrived.status, StatusCode::OK);
    let refusal = ResponseEnvelope::read::<<RequestGroupId as RequestBody>::Reply>(&arrived.body).unwrap();
    assert_eq!(refusal, Err(Refusal::UnknownOperation));
}

#[tokio::test]
async fn what_is_no_request_is_told_what_it_is() {
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
        assert!(!arrived.body.is_empty(), "{expected} comes with a hint");
        if expected == StatusCode::METHOD_NOT_ALLOWED {
            assert_eq!(arrived.headers[header::ALLOW], "POST");
        }
    }
}
