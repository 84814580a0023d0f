//! A node behind real sockets: requests are answered, everything else is told what it is.
#![allow(clippy::unwrap_used)]

use std::time::{SystemTime, UNIX_EPOCH};

use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, StatusCode, body::Bytes, client::conn::http1 as client, server::conn::http1 as server,
};
use hyper_util::rt::TokioIo;
use phoenix_core::{
    config::Config,
    error::PeerFailure,
    homeserver::Homeserver,
    identifiers::{Domain, RequestId},
    keys::ServiceKeys,
    operation::{Ask, Effect},
    rng::Random,
    time::Timestamp,
    wire::{
        codec::encode,
        delivery_service::RequestGroupId,
        envelope::{RequestEnvelope, ResponseEnvelope},
        operations::RequestBody,
        queuing_service::GetQsKeys,
    },
};
use phoenix_hyper::{
    node::{Node, Surroundings},
    service::{HttpService, MEDIA_TYPE},
    store::MemoryStore,
};
use tokio::net::{TcpListener, TcpStream};

/// A world without other homeservers.
struct Alone;

impl Surroundings for Alone {
    fn now(&self) -> Timestamp {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Timestamp::from_milliseconds(elapsed.as_millis().try_into().unwrap())
    }

    fn seed(&self) -> [u8; 32] {
        [1; 32]
    }

    async fn ask(&self, _: Ask) -> Result<Vec<u8>, PeerFailure> {
        Err(PeerFailure)
    }

    fn effect(&self, _: Effect) {}
}

async fn listening() -> (std::net::SocketAddr, Domain) {
    let domain: Domain = "example.com".parse().unwrap();
    let keys = ServiceKeys::generate(&domain, &mut Random::from_seed([1; 32]), Alone.now());
    let homeserver = Homeserver::new(Config::new(domain.clone()), keys);
    let node = Node::new(homeserver, MemoryStore::default(), Alone);
    node.start().await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = HttpService::new(node.clone());
            tokio::spawn(server::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    (address, domain)
}

async fn exchange(address: std::net::SocketAddr, request: Request<Full<Bytes>>) -> (StatusCode, Vec<u8>) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = client::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let response = sender.send_request(request).await.unwrap();
    (response.status(), response.into_body().collect().await.unwrap().to_bytes().to_vec())
}

fn request(method: Method, path: &str, media_type: &str, body: Vec<u8>) -> Request<Full<Bytes>> {
    let builder = Request::builder().method(method).uri(path).header("host", "example.com");
    builder.header("content-type", media_type).body(Full::new(body.into())).unwrap()
}

fn envelope<B: RequestBody>(domain: &Domain, body: &B) -> Vec<u8> {
    encode(
        &RequestEnvelope::new((domain.clone(), Alone.now(), RequestId([3; 16])), body, None, None).unwrap(),
    )
}

#[tokio::test]
async fn requests_are_answered_and_refusals_are_answers() {
    let (address, domain) = listening().await;
    let body = envelope(&domain, &GetQsKeys {});
    let (status, answer) = exchange(address, request(Method::POST, "/", MEDIA_TYPE, body)).await;
    assert_eq!(status, StatusCode::OK);
    let keys = ResponseEnvelope::read::<<GetQsKeys as RequestBody>::Reply>(&answer).unwrap().unwrap();
    assert_eq!(keys.keys.content.domain, domain);

    let body = envelope(&domain, &RequestGroupId {});
    let (status, answer) = exchange(address, request(Method::POST, "/", MEDIA_TYPE, body)).await;
    assert_eq!(status, StatusCode::OK);
    let refusal = ResponseEnvelope::read::<<RequestGroupId as RequestBody>::Reply>(&answer).unwrap();
    assert_eq!(refusal, Err(phoenix_core::error::Refusal::TokenNeeded));
}

#[tokio::test]
async fn what_is_no_request_is_told_what_it_is() {
    let (address, _) = listening().await;
    for (method, path, media_type, size, expected) in [
        (Method::GET, "/", MEDIA_TYPE, 0, StatusCode::METHOD_NOT_ALLOWED),
        (Method::POST, "/elsewhere", MEDIA_TYPE, 0, StatusCode::NOT_FOUND),
        (Method::POST, "/", "text/plain", 0, StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (Method::POST, "/", MEDIA_TYPE, 9 << 20, StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let (status, _) = exchange(address, request(method, path, media_type, vec![0; size])).await;
        assert_eq!(status, expected);
    }
}
