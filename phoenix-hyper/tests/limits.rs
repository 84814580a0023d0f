//! Slow, greedy and malicious clients, and a homeserver that serves others meanwhile.
#![allow(clippy::unwrap_used)]

mod support;

use std::{io, time::Duration};

use hyper::{Method, StatusCode, header};
use phoenix_core::{
    error::Refusal,
    wire::{envelope::ResponseEnvelope, operations::Service},
};
use phoenix_hyper::{
    server::ServerLimits,
    service::{BodyLimits, MEDIA_TYPE},
    tls::{HTTP_1_1, HTTP_2},
};
use rustls::pki_types::ServerName;
use support::{Running, assert_keys, client_config, connect, http1, key_request, request, soon};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

const QS: &str = "qs.a.localhost";
const SHORT: Duration = Duration::from_millis(150);
const LONG: Duration = Duration::from_secs(3600);

/// Fails the test unless `running` serves another client.
async fn assert_serves(running: &Running) {
    let peers = running.peers();
    let answer = soon(peers.send(&running.domain, Service::Queuing, key_request(&running.domain))).await;
    assert_keys(&answer.unwrap(), &running.domain);
}

/// Reads until the other side closes the connection or it breaks.
async fn rest(stream: &mut TlsStream<TcpStream>) -> String {
    let mut bytes = Vec::new();
    let _: io::Result<usize> = soon(stream.read_to_end(&mut bytes)).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads up to and including `end`.
async fn until(stream: &mut TlsStream<TcpStream>, end: &str) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end.as_bytes()) {
        bytes.push(soon(stream.read_u8()).await.unwrap());
    }
    String::from_utf8(bytes).unwrap()
}

fn head(length: usize, more: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nhost: {QS}\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {length}\r\n{more}\r\n"
    )
}

/// A connection on which the server waits for a body of `length` bytes.
async fn with_body_awaited(running: &Running, length: usize) -> TlsStream<TcpStream> {
    let mut stream = connect(running, HTTP_1_1).await;
    stream.write_all(head(length, "expect: 100-continue\r\n").as_bytes()).await.unwrap();
    assert!(until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 100"));
    stream
}

#[tokio::test]
async fn malformed_http_is_refused() {
    let a = Running::start("a.localhost").await;
    let long_header = format!("GET / HTTP/1.1\r\nhost: {QS}\r\nx: {}\r\n\r\n", "x".repeat(32 << 10));
    let many_headers = format!("GET / HTTP/1.1\r\nhost: {QS}\r\n{}\r\n", "x: y\r\n".repeat(100));
    for (sent, expected) in [
        ("\0\0\0\0\r\n\r\n", "HTTP/1.1 400"),
        ("GET / HTTP/3.7\r\n\r\n", "HTTP/1.1 400"),
        ("POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", "HTTP/1.1 400"),
        (
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\nhost: qs.a.localhost\r\ncontent-type: application/vnd.phoenix\r\n\r\nzz\r\n",
            "HTTP/1.1 400",
        ),
        ("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 421"),
        (&long_header, "HTTP/1.1 431"),
        (&many_headers, "HTTP/1.1 431"),
    ] {
        let mut stream = connect(&a, HTTP_1_1).await;
        stream.write_all(sent.as_bytes()).await.unwrap();
        let shown = &sent[..sent.len().min(60)];
        let answer = until(&mut stream, "\r\n\r\n").await;
        assert!(answer.starts_with(expected), "{shown:?} is answered with {answer:?}");
        assert_serves(&a).await;
    }
}

#[tokio::test]
async fn a_body_that_is_declared_too_large_is_not_read() {
    let a = Running::start("a.localhost").await;
    let mut stream = connect(&a, HTTP_1_1).await;
    stream.write_all(head((8 << 20) + 1, "").as_bytes()).await.unwrap();
    assert!(until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 413"));
}

#[tokio::test]
async fn a_body_that_does_not_say_how_long_it_is_has_the_same_limit() {
    let a = Running::start("a.localhost").await;
    let mut stream = connect(&a, HTTP_1_1).await;
    let chunked = head(0, "").replace("content-length: 0", "transfer-encoding: chunked");
    stream.write_all(chunked.as_bytes()).await.unwrap();
    let (mut read, mut write) = tokio::io::split(stream);
    tokio::spawn(async move {
        let chunk = [b"10000\r\n".as_slice(), &[0; 0x10000], b"\r\n"].concat();
        while write.write_all(&chunk).await.is_ok() {}
    });
    let mut status = [0; 12];
    soon(read.read_exact(&mut status)).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 413");
}

#[tokio::test]
async fn silent_and_incomplete_connections_are_cut_off() {
    let (handshake, first_request, farewell) = (SHORT, SHORT, SHORT);
    let limits = ServerLimits { handshake, first_request, farewell, idle: LONG, ..ServerLimits::default() };
    let a = Running::with_limits("a.localhost", limits, BodyLimits::default()).await;
    let mut no_handshake = TcpStream::connect(a.address).await.unwrap();
    no_handshake.write_all(&[22, 3, 1]).await.unwrap();
    let mut no_request = connect(&a, HTTP_1_1).await;
    let mut no_preface = connect(&a, HTTP_2).await;
    no_preface.write_all(b"PRI * HTTP/2.0").await.unwrap();
    let mut half_a_head = connect(&a, HTTP_1_1).await;
    half_a_head.write_all(b"POST / HTTP/1.1\r\nhost: ").await.unwrap();
    assert_serves(&a).await;
    let mut bytes = Vec::new();
    let _: io::Result<usize> = soon(no_handshake.read_to_end(&mut bytes)).await;
    for stream in [&mut no_request, &mut no_preface, &mut half_a_head] {
        assert_eq!(rest(stream).await, "");
    }
    assert_serves(&a).await;
}

#[tokio::test]
async fn idle_connections_are_cut_off() {
    let limits =
        ServerLimits { first_request: LONG, idle: SHORT, farewell: SHORT, ..ServerLimits::default() };
    let a = Running::with_limits("a.localhost", limits, BodyLimits::default()).await;
    let mut stream = connect(&a, HTTP_1_1).await;
    let keys = key_request(&a.domain);
    stream.write_all(&[head(keys.len(), "").as_bytes(), &keys].concat()).await.unwrap();
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 200"));
    // The same goes for a client that begins another request and never ends its head.
    let mut stream = connect(&a, HTTP_1_1).await;
    stream.write_all(&[head(keys.len(), "").as_bytes(), &keys, b"POST / "].concat()).await.unwrap();
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_body_that_takes_too_long_is_given_up() {
    let bodies = BodyLimits { time: SHORT, ..BodyLimits::default() };
    let limits = ServerLimits { farewell: SHORT, ..ServerLimits::default() };
    let a = Running::with_limits("a.localhost", limits, bodies).await;
    let mut stream = with_body_awaited(&a, 1000).await;
    stream.write_all(b"some of it").await.unwrap();
    assert_serves(&a).await;
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn bodies_under_way_are_bounded_together() {
    let bodies = BodyLimits { bytes: 10_000, ..BodyLimits::default() };
    let a = Running::with_limits("a.localhost", ServerLimits::default(), bodies).await;
    let mut greedy = with_body_awaited(&a, 10_000).await;
    greedy.write_all(&[0; 9_999]).await.unwrap();
    let keys = key_request(&a.domain);
    let send = async || http1(&a, request(Method::POST, QS, "/", keys.clone())).await;
    // Refused once all of that has arrived.
    let refused = soon(async {
        loop {
            let arrived = send().await;
            if arrived.status != StatusCode::OK {
                return arrived;
            }
        }
    });
    let refused = refused.await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers[header::RETRY_AFTER], "1");
    let refusal = ResponseEnvelope::read::<Vec<u8>>(&refused.body).unwrap();
    assert_eq!(refusal, Err(Refusal::Unavailable { retry_after_milliseconds: 1000 }));
    greedy.write_all(&[0]).await.unwrap();
    assert!(until(&mut greedy, "\r\n\r\n").await.starts_with("HTTP/1.1 200"));
    drop(greedy);
    soon(async { while send().await.status != StatusCode::OK {} }).await;
}

#[tokio::test]
async fn one_address_cannot_take_all_memory() {
    let limits = ServerLimits { body_bytes_per_address: 5_000, ..ServerLimits::default() };
    let a = Running::with_limits("a.localhost", limits, BodyLimits::default()).await;
    let arrived = http1(&a, request(Method::POST, QS, "/", vec![0; 5_001])).await;
    assert_eq!(arrived.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_serves(&a).await;
}

#[tokio::test]
async fn connections_over_the_limit_are_closed() {
    for limits in [
        ServerLimits { connections: 2, ..ServerLimits::default() },
        ServerLimits { connections_per_address: 2, ..ServerLimits::default() },
    ] {
        let a = Running::with_limits("a.localhost", limits, BodyLimits::default()).await;
        let try_to_connect = async || {
            let stream = TcpStream::connect(a.address).await?;
            let name = ServerName::try_from(QS).unwrap();
            TlsConnector::from(client_config(&a.identity, HTTP_1_1)).connect(name, stream).await
        };
        let first = try_to_connect().await.unwrap();
        let _second = try_to_connect().await.unwrap();
        assert!(soon(try_to_connect()).await.is_err());
        drop(first);
        soon(async { while try_to_connect().await.is_err() {} }).await;
    }
}

#[tokio::test]
async fn a_flood_of_requests_that_are_taken_back_is_ended() {
    const FRAME_HEADERS: [u8; 5] = [1, 0x5, 0, 0, 0];
    let a = Running::start("a.localhost").await;
    let stream = connect(&a, HTTP_2).await;
    let (mut read, mut write) = tokio::io::split(stream);
    let flood = tokio::spawn(async move {
        write.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await?;
        // POST https://qs.a.localhost/ by the static table, and the authority as it is.
        let mut fields = vec![0x83, 0x87, 0x84, 0x41, QS.len() as u8];
        fields.extend_from_slice(QS.as_bytes());
        for stream_id in (1_u32..2_000_001).step_by(2) {
            let id = stream_id.to_be_bytes();
            let headers = [&[0, 0, fields.len() as u8], &FRAME_HEADERS[..2], &id, &fields].concat();
            let reset = [&[0, 0, 4, 3, 0], id.as_slice(), &[0, 0, 0, 8]].concat();
            write.write_all(&[headers, reset].concat()).await?;
        }
        io::Result::Ok(())
    });
    let mut received = Vec::new();
    let _: io::Result<usize> = soon(read.read_to_end(&mut received)).await;
    assert!(soon(flood).await.unwrap().is_err(), "the connection is closed before the flood is over");
    assert_serves(&a).await;
}

#[tokio::test]
async fn requests_under_way_end_before_the_server_does() {
    let a = Running::start("a.localhost").await;
    let keys = key_request(&a.domain);
    let mut under_way = with_body_awaited(&a, keys.len()).await;
    let mut idle = connect(&a, HTTP_1_1).await;
    let (address, domain) = (a.address, a.domain.clone());
    let stopped = a.stop();
    assert_eq!(rest(&mut idle).await, "", "an idle connection is not waited for");
    soon(async { while TcpStream::connect(address).await.is_ok() {} }).await;
    assert!(!stopped.is_finished());
    under_way.write_all(&keys).await.unwrap();
    let head = until(&mut under_way, "\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let mut answer = Vec::new();
    let _: io::Result<usize> = soon(under_way.read_to_end(&mut answer)).await;
    assert_keys(&answer, &domain);
    soon(stopped).await.unwrap();
}

#[tokio::test]
async fn the_server_does_not_wait_for_ever() {
    let limits = ServerLimits { grace: SHORT, ..ServerLimits::default() };
    let a =
        Running::with_limits("a.localhost", limits, BodyLimits { time: LONG, ..BodyLimits::default() }).await;
    let mut under_way = with_body_awaited(&a, 1000).await;
    soon(a.stop()).await.unwrap();
    assert_eq!(rest(&mut under_way).await, "");
}

/// Opens a web socket without sending a message.
async fn web_socket(running: &Running) -> TlsStream<TcpStream> {
    let mut stream = connect(running, HTTP_1_1).await;
    let key = "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let upgrade = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-protocol: phoenix.v1\r\n";
    let head = format!("GET /listen HTTP/1.1\r\nhost: {QS}\r\n{upgrade}{key}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    assert!(until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 101"));
    stream
}

#[tokio::test]
async fn a_web_socket_is_a_connection_like_others() {
    let limits = ServerLimits { connections: 1, ..ServerLimits::default() };
    let a = Running::with_limits("a.localhost", limits, BodyLimits::default()).await;
    let web_socket = web_socket(&a).await;
    let peers = a.peers();
    let try_to_send = async || peers.send(&a.domain, Service::Queuing, key_request(&a.domain)).await;
    assert!(soon(try_to_send()).await.is_err());
    drop(web_socket);
    soon(async { while try_to_send().await.is_err() {} }).await;
}

#[tokio::test]
async fn a_web_socket_does_not_hold_up_the_end() {
    let limits = ServerLimits { grace: LONG, farewell: LONG, ..ServerLimits::default() };
    let a = Running::with_limits("a.localhost", limits, BodyLimits::default()).await;
    let mut web_socket = web_socket(&a).await;
    soon(a.stop()).await.unwrap();
    rest(&mut web_socket).await;
}

#[tokio::test]
async fn a_web_socket_is_not_idle_because_it_makes_no_requests() {
    let limits =
        ServerLimits { first_request: SHORT, idle: SHORT, farewell: SHORT, ..ServerLimits::default() };
    let a = Running::with_limits("a.localhost", limits, BodyLimits::default()).await;
    let mut web_socket = web_socket(&a).await;
    // A connection that began later is closed already.
    let mut other = connect(&a, HTTP_1_1).await;
    assert_eq!(rest(&mut other).await, "");
    // An empty ping, masked with zeros, is answered.
    web_socket.write_all(&[0x89, 0x80, 0, 0, 0, 0]).await.unwrap();
    let mut pong = [0; 2];
    soon(web_socket.read_exact(&mut pong)).await.unwrap();
    assert_eq!(pong, [0x8a, 0]);
}

#[tokio::test]
async fn a_slow_body_counts_only_as_far_as_it_has_arrived() {
    let bodies = BodyLimits { bytes: 10_000, ..BodyLimits::default() };
    let a = Running::with_limits("a.localhost", ServerLimits::default(), bodies).await;
    let mut promises = Vec::new();
    for _ in 0..10 {
        promises.push(with_body_awaited(&a, 9_000).await);
    }
    assert_serves(&a).await;
}
