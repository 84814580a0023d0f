//! A homeserver at work, from its start to its end.

use phoenix_core::{
    error::Refusal,
    identifiers::{UserId, UserUuid},
    wire::{
        auth_service::{GetConnectionPackage, GetConnectionPackageReply},
        envelope::ResponseEnvelope,
        operations::Service,
        queuing_service::{GetQsKeys, GetQsKeysReply},
    },
};
use phoenix_hyper::service::MEDIA_TYPE;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

use crate::running::{DOMAIN, Running, domain, request, soon};

async fn qs_keys(running: &Running) -> GetQsKeysReply {
    let answer = running.ask(Service::Queuing, &GetQsKeys {}).await;
    ResponseEnvelope::read::<GetQsKeysReply>(&answer).unwrap().unwrap()
}

#[tokio::test]
async fn requests_are_answered_over_tls_and_counted() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path(), &[]).await;
    assert_eq!(qs_keys(&running).await.keys.content.domain, domain());
    assert!(running.admin("/healthz").await.starts_with("HTTP/1.1 200 "));
    assert!(running.admin("/readyz").await.ends_with("ready\n"));
    let metrics = running.admin("/metrics").await;
    for line in [
        "phoenix_requests_total{operation=\"GetQsKeys\",outcome=\"reply\"} 1",
        "phoenix_request_duration_seconds_count{operation=\"GetQsKeys\"} 1",
        // The value depends on timers.
        "phoenix_operations_under_way ",
        "process_resident_memory_bytes ",
    ] {
        assert!(metrics.lines().any(|present| present.starts_with(line)), "no {line} in\n{metrics}");
    }
    let log = running.stop().await;
    assert!(log.iter().any(|line| line.contains("stopped")), "{log:?}");
}

#[tokio::test]
async fn keys_and_certificate_outlive_the_process() {
    let directory = tempfile::tempdir().unwrap();
    let certificate = directory.path().join("certificate.pem");
    let first = Running::start(directory.path(), &[]).await;
    let (keys, pem) = (qs_keys(&first).await, std::fs::read(&certificate).unwrap());
    first.stop().await;
    let second = Running::start(directory.path(), &[]).await;
    assert!(second.events.iter().all(|event| event["event"] != "keys_created"));
    assert_eq!(qs_keys(&second).await.keys.content.keys, keys.keys.content.keys);
    assert_eq!(std::fs::read(&certificate).unwrap(), pem);
    second.stop().await;
}

#[tokio::test]
async fn too_few_files_are_warned_of() {
    let directory = tempfile::tempdir().unwrap();
    for (connections, warned) in [(1_000_000, true), (1, false)] {
        let settings = directory.path().join("phoenix.toml");
        let text = format!(
            "[connections]\nconnections = {connections}\n[outgoing]\nconnections = 1\n[store]\nfiles = 16"
        );
        std::fs::write(&settings, text).unwrap();
        let data = directory.path().join("data");
        let running = Running::start(&data, &["--config", settings.to_str().unwrap()]).await;
        let limit = phoenix_hyper::metrics::process::open_file_limit().unwrap_or(u64::MAX);
        let log = running.stop().await;
        let found = log.iter().any(|line| line.contains("fewer files") && line.contains("1000017"));
        assert_eq!(found, warned && limit < 1_000_017, "{log:?}");
    }
}

/// A request whose body is incomplete, and whose head the homeserver has accepted.
struct Unfinished {
    stream: TlsStream<TcpStream>,
    rest: Vec<u8>,
}

impl Unfinished {
    async fn begin(running: &Running) -> Self {
        let mut stream = soon(running.peers().connect(&domain(), Service::Queuing)).await.unwrap();
        let mut body = request(&GetQsKeys {});
        let head = format!(
            "POST / HTTP/1.1\r\nhost: qs.{DOMAIN}\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {}\r\n\
             expect: 100-continue\r\nconnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let expected = b"HTTP/1.1 100 Continue\r\n\r\n";
        let mut begun = vec![0; expected.len()];
        soon(stream.read_exact(&mut begun)).await.unwrap();
        assert_eq!(begun, expected);
        let rest = body.split_off(body.len() / 2);
        stream.write_all(&body).await.unwrap();
        Self { stream, rest }
    }

    async fn finish(mut self) -> Vec<u8> {
        self.stream.write_all(&self.rest).await.unwrap();
        let mut answer = Vec::new();
        soon(self.stream.read_to_end(&mut answer)).await.unwrap();
        answer
    }
}

#[tokio::test]
async fn requests_under_way_end_before_the_homeserver_does() {
    let directory = tempfile::tempdir().unwrap();
    for signal in ["-TERM", "-INT"] {
        let mut running = Running::start(directory.path(), &[]).await;
        let unfinished = Unfinished::begin(&running).await;
        running.signal(signal);
        running.logs("stopping").await;
        assert!(running.admin("/healthz").await.starts_with("HTTP/1.1 200 "));
        let readiness = running.admin("/readyz").await;
        assert!(readiness.starts_with("HTTP/1.1 503 ") && readiness.contains("draining"), "{readiness}");
        let answer = unfinished.finish().await;
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
        assert_eq!(running.ended().await.code(), Some(0), "{:?}", running.logged);
        soon(TcpStream::connect(running.address)).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut running = Running::start(directory.path(), &[]).await;
    let _unfinished = Unfinished::begin(&running).await;
    running.signal("-TERM");
    running.logs("stopping").await;
    running.signal("-TERM");
    assert_eq!(running.ended().await.code(), Some(1), "{:?}", running.logged);
    assert!(running.logged.iter().any(|line| line.contains("at once")));
    Running::start(directory.path(), &[]).await.stop().await;
}

/// The log contains neither names nor contents: not the user's id in any form, nor the request's id or bytes.
#[tokio::test]
async fn the_lowest_level_of_the_log_names_no_user() {
    let directory = tempfile::tempdir().unwrap();
    let settings = directory.path().join("phoenix.toml");
    std::fs::write(&settings, "[logs]\nlevel = \"trace\"\nformat = \"json\"").unwrap();
    let arguments = ["--config", settings.to_str().unwrap()];
    let running = Running::start(&directory.path().join("data"), &arguments).await;
    let uuid = *b"zebedee-zebedee!";
    let user_id = UserId { uuid: UserUuid(uuid), domain: domain() };
    let answer = running.ask(Service::Authentication, &GetConnectionPackage { user_id }).await;
    let refusal = ResponseEnvelope::read::<GetConnectionPackageReply>(&answer).unwrap();
    assert_eq!(refusal, Err(Refusal::TokenNeeded));
    let log = running.stop().await;
    let events: Vec<Value> = log.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(events.iter().all(|event| event["target"].as_str().unwrap().starts_with("phoenix")));
    let event = events.iter().find(|event| event["message"] == "a request is over");
    let event = event.expect("the request is logged");
    assert_eq!((&event["operation"], &event["refusal"]), (&"GetConnectionPackage".into(), &300.into()));
    let log = log.concat().to_lowercase();
    let hex: String = uuid.iter().map(|byte| format!("{byte:02x}")).collect();
    let list = format!("{uuid:?}");
    for form in ["zebedee", &hex, "emvizwrlzs16zwj", list.trim_matches(['[', ']'])] {
        assert!(!log.contains(form), "{form} is in the log");
    }
    assert!(!log.contains("phoenix service keys") && !log.contains("private key"));
}
