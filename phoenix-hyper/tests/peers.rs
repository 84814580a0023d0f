//! Requests to other homeservers: responses that are not answers, lines that break, shared connections.
#![allow(clippy::unwrap_used)]

mod support;

use std::{
    future::pending,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{future::join_all, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::{
    Response,
    body::{Bytes, Frame},
};
use phoenix_core::{limits::MAX_LARGE_REQUEST, wire::operations::Service};
use phoenix_hyper::{
    peers::{Override, PeerLimits, Peers, Reach, SendError, Wait},
    server::ServerLimits,
    service::{HttpService, MEDIA_TYPE},
    tls::{HTTP_1_1, HTTP_2, Identity},
};
use support::{
    Running, assert_keys, domain, key_request, node, reach,
    rogue::{self, Line, Rogue, response},
    soon,
};
use tokio::net::TcpListener;

const BOTH: &[&[u8]] = &[HTTP_2, HTTP_1_1];

async fn send(peers: &Peers, rogue: &Rogue) -> Result<Vec<u8>, SendError> {
    soon(peers.send(&rogue.domain, Service::Queuing, b"request".to_vec())).await
}

fn peers_of(rogue: &Rogue, limits: PeerLimits) -> Peers {
    Peers::new(Reach { limits, ..reach([(&rogue.domain, rogue.target())]) }).unwrap()
}

fn quick() -> PeerLimits {
    let quick = Duration::from_millis(100);
    PeerLimits { handshake: quick, request: 3 * quick, ..PeerLimits::default() }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let visits = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&visits);
    let a = Rogue::start("a.localhost", BOTH, move |request| {
        let first = counter.fetch_add(1, Ordering::SeqCst) == 0 && request.uri().path() == "/";
        let mut response = response(if first { 302 } else { 200 }, "answer");
        response.headers_mut().insert("location", "https://qs.a.localhost/elsewhere".parse().unwrap());
        async { response }
    });
    let a = a.await;
    let sent = send(&peers_of(&a, PeerLimits::default()), &a).await;
    assert!(matches!(sent, Err(SendError::Status { status: 302, .. })), "{sent:?}");
    assert_eq!(visits.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn responses_that_are_not_answers_have_errors_of_their_own() {
    let a = Rogue::start("a.localhost", BOTH, |request| async move {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        match body.as_ref() {
            b"page" => Response::new(rogue::body("<html>")),
            b"missing" => Response::builder().status(404).body(rogue::body("nothing here")).unwrap(),
            b"overloaded" => response(503, "refusal"),
            b"parameter" => {
                let kind = format!("{}; charset=none", MEDIA_TYPE.to_uppercase());
                Response::builder().header("content-type", kind).body(rogue::body("answer")).unwrap()
            }
            _ => response(200, body),
        }
    });
    let a = a.await;
    let peers = peers_of(&a, PeerLimits::default());
    let send = async |body: &str| peers.send(&a.domain, Service::Queuing, body.into()).await;
    assert!(matches!(send("page").await, Err(SendError::MediaType { .. })));
    assert!(matches!(send("missing").await, Err(SendError::Status { status: 404, .. })));
    assert_eq!(send("overloaded").await.unwrap(), b"refusal");
    assert_eq!(send("parameter").await.unwrap(), b"answer");
    assert_eq!(send("echo").await.unwrap(), b"echo");
    assert_eq!(a.accepted(), 1, "no such response breaks the connection");
}

#[tokio::test]
async fn answers_over_the_limit_are_refused() {
    let a = Rogue::start("a.localhost", BOTH, |request| async move {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        match body.as_ref() {
            b"largest" => response(200, vec![0; MAX_LARGE_REQUEST]),
            b"declared" => response(200, vec![0; MAX_LARGE_REQUEST + 1]),
            _ => {
                let chunk = || Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from(vec![0; 1 << 16])));
                let endless = StreamBody::new(stream::repeat_with(chunk)).boxed();
                response(200, "").map(|_| endless)
            }
        }
    });
    let a = a.await;
    let peers = peers_of(&a, PeerLimits::default());
    let send = async |body: &str| soon(peers.send(&a.domain, Service::Queuing, body.into())).await;
    assert_eq!(send("largest").await.unwrap().len(), MAX_LARGE_REQUEST);
    for body in ["declared", "endless"] {
        let sent = send(body).await;
        assert!(matches!(sent, Err(SendError::TooLarge { limit: MAX_LARGE_REQUEST, .. })), "{body}");
    }
}

#[tokio::test]
async fn answers_of_all_peers_together_are_bounded() {
    let a = Rogue::start("a.localhost", BOTH, |_| async { response(200, vec![0; 1001]) }).await;
    let peers = peers_of(&a, PeerLimits { answer_bytes: 1000, ..PeerLimits::default() });
    assert!(matches!(send(&peers, &a).await, Err(SendError::Busy)));
    let peers = peers_of(&a, PeerLimits { answer_bytes: 1001, ..PeerLimits::default() });
    for _ in 0..2 {
        assert_eq!(send(&peers, &a).await.unwrap().len(), 1001, "a share is returned once an answer is read");
    }
}

#[tokio::test]
async fn a_silent_peer_is_not_waited_for() {
    let a = Rogue::start("a.localhost", BOTH, |_| pending()).await;
    let sent = send(&peers_of(&a, quick()), &a).await;
    assert!(matches!(sent, Err(SendError::Time { step: Wait::Answer, .. })), "{sent:?}");

    // The system accepts the connection, and nothing is ever sent on it.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Override { address: listener.local_addr().unwrap(), ..a.target() };
    let peers = Peers::new(Reach { limits: quick(), ..reach([(&a.domain, target)]) }).unwrap();
    let sent = send(&peers, &a).await;
    assert!(matches!(sent, Err(SendError::Time { step: Wait::Handshake, .. })), "{sent:?}");
}

#[tokio::test]
async fn a_peer_that_is_down_has_an_error_of_its_own() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let a = domain("a.localhost");
    let peers = Peers::new(reach([(&a, Override { address: free, certificates: Vec::new() })])).unwrap();
    let sent = peers.send(&a, Service::Delivery, Vec::new()).await;
    assert!(matches!(&sent, Err(SendError::Connect { host, .. }) if host == "ds.a.localhost"), "{sent:?}");
    let sent = peers.send(&domain("domain.invalid"), Service::Queuing, Vec::new()).await;
    let error = sent.unwrap_err();
    // On a machine without a name server, the look-up may time out.
    assert!(
        matches!(error, SendError::Address { .. } | SendError::Time { step: Wait::Address, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("qs.domain.invalid"), "{error}");
}

#[tokio::test]
async fn a_peer_that_speaks_http_1_1_only_is_served() {
    let a = Rogue::start("a.localhost", &[HTTP_1_1], |request| async move {
        assert_eq!(request.headers()["host"], "qs.a.localhost");
        response(200, request.into_body().collect().await.unwrap().to_bytes())
    });
    let a = a.await;
    let peers = peers_of(&a, PeerLimits::default());
    for _ in 0..2 {
        assert_eq!(send(&peers, &a).await.unwrap(), b"request");
    }
}

#[tokio::test]
async fn many_requests_share_a_connection() {
    let a = Rogue::start("a.localhost", BOTH, |_| async { response(200, "answer") }).await;
    let peers = peers_of(&a, PeerLimits::default());
    let sent = join_all((0..100).map(|_| send(&peers, &a))).await;
    assert!(sent.iter().all(|answer| answer.as_deref().is_ok_and(|answer| answer == b"answer")));
    assert_eq!(a.accepted(), 1);
}

#[tokio::test]
async fn many_requests_share_a_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let attempts = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&attempts);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counter.fetch_add(1, Ordering::SeqCst);
        }
    });
    let a = domain("a.localhost");
    let peers = Peers::new(reach([(&a, Override { address, certificates: Vec::new() })])).unwrap();
    for round in 1..=2 {
        let sent = join_all((0..100).map(|_| peers.send(&a, Service::Queuing, Vec::new())));
        let sent = soon(sent).await;
        assert!(sent.iter().all(|sent| matches!(sent, Err(SendError::Connect { .. }))));
        assert_eq!(attempts.load(Ordering::SeqCst), round, "later requests try again");
    }
}

#[tokio::test]
async fn an_unused_connection_is_closed() {
    let mut a = Rogue::start("a.localhost", BOTH, |_| async { response(200, "answer") }).await;
    let idle = Duration::from_millis(50);
    let peers = peers_of(&a, PeerLimits { idle, ..PeerLimits::default() });
    for connections in 1..=2 {
        send(&peers, &a).await.unwrap();
        assert_eq!(a.accepted(), connections);
        a.abandoned().await;
    }
}

#[tokio::test]
async fn connections_are_bounded() {
    let mut a = Rogue::start("a.localhost", BOTH, |_| async { response(200, "answer") }).await;
    let b = Rogue::start("b.localhost", BOTH, |_| async { response(200, "answer") }).await;
    let limits = PeerLimits { connections: 1, ..PeerLimits::default() };
    let reach = Reach { limits, ..reach([(&a.domain, a.target()), (&b.domain, b.target())]) };
    let peers = Peers::new(reach).unwrap();
    send(&peers, &a).await.unwrap();
    assert_eq!(*a.open.borrow(), 1);
    send(&peers, &b).await.unwrap();
    a.abandoned().await;
    send(&peers, &b).await.unwrap();
    assert_eq!(b.accepted(), 1);
}

/// A homeserver behind a line, and peers that know it.
async fn behind_a_line(limits: PeerLimits) -> (Running, Line, Peers) {
    let a = Running::start("a.localhost").await;
    let line = Line::to(a.address).await;
    let target = Override { address: line.address, ..a.target() };
    let peers = Peers::new(Reach { limits, ..reach([(&a.domain, target)]) }).unwrap();
    (a, line, peers)
}

#[tokio::test]
async fn a_connection_that_was_cut_is_replaced() {
    let (a, line, peers) = behind_a_line(PeerLimits::default()).await;
    for _ in 0..10 {
        let answer = soon(peers.send(&a.domain, Service::Queuing, key_request(&a.domain))).await.unwrap();
        assert_keys(&answer, &a.domain);
        line.cut();
    }
}

#[tokio::test]
async fn a_connection_that_fell_silent_is_noticed_and_replaced() {
    let interval = Duration::from_millis(100);
    let limits = PeerLimits { keep_alive: interval, keep_alive_timeout: interval, ..PeerLimits::default() };
    let (a, line, peers) = behind_a_line(limits).await;
    for _ in 0..3 {
        let answer = soon(peers.send(&a.domain, Service::Queuing, key_request(&a.domain))).await.unwrap();
        assert_keys(&answer, &a.domain);
        line.fall_silent();
    }
}

async fn at(address: SocketAddr, identity: Identity) -> Running {
    let service = HttpService::new(node(&domain("a.localhost"), None));
    Running::at(address, identity, service, ServerLimits::default()).await
}

#[tokio::test]
async fn a_peer_that_restarts_costs_no_request() {
    let mut a = Running::start("a.localhost").await;
    let peers = a.peers();
    for _ in 0..3 {
        let answer = soon(peers.send(&a.domain, Service::Queuing, key_request(&a.domain))).await.unwrap();
        assert_keys(&answer, &a.domain);
        let (certificate, key) = (a.identity.certificate_pem(), a.identity.key_pem());
        let (address, identity) =
            (a.address, Identity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap());
        soon(a.stop()).await.unwrap();
        a = at(address, identity).await;
    }
}

#[tokio::test]
async fn a_connection_for_a_web_socket_speaks_http_1_1() {
    let a = Running::start("a.localhost").await;
    let stream = a.peers().connect(&a.domain, Service::Queuing).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(HTTP_1_1));
}
