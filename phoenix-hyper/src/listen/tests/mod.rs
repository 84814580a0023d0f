use std::time::SystemTime;

use phoenix_core::{
    client::{Client, ClientConfig, Event, Output, StorageKey},
    codec::encode,
    config::Config,
    error::{PeerFailure, Refusal},
    homeserver::Homeserver,
    identifiers::{Domain, RequestId},
    keys::ServiceKeys,
    limits::MAX_REQUEST,
    operation::{Ask, Report},
    rng::Random,
    time::Timestamp,
    wire::{
        envelope::{RequestEnvelope, ResponseEnvelope},
        message::Done,
        queuing_service::GetQsKeys,
    },
};
use tokio::{io::DuplexStream, runtime::Handle, task::JoinHandle};

use super::*;
use crate::{node::NodeLimits, store::MemoryStore};

/// An environment without other homeservers.
struct Alone;

impl Environment for Alone {
    fn now(&self) -> Timestamp {
        let elapsed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        Timestamp::from_milliseconds(elapsed.as_millis().try_into().unwrap())
    }

    fn seed(&self) -> [u8; 32] {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).unwrap();
        seed
    }

    async fn ask(&self, _: Ask) -> Result<Vec<u8>, PeerFailure> {
        Err(PeerFailure::NoAnswer)
    }

    fn report(&self, _: Report) {}
}

type Socket = WebSocketStream<DuplexStream>;

fn node() -> Node<MemoryStore, Alone> {
    let domain: Domain = "example.com".parse().unwrap();
    let keys = ServiceKeys::generate(&domain, &mut Random::from_seed([1; 32]), Alone.now());
    let homeserver = Homeserver::new(Config::new(domain), keys);
    let node = Node::new(homeserver, MemoryStore::default(), Alone, NodeLimits::default(), Handle::current());
    node.start();
    node
}

/// A registered client.
async fn registered(node: &Node<MemoryStore, Alone>) -> Client {
    let config = ClientConfig::new(node.homeserver().domain().clone());
    let mut client = Client::new(config, StorageKey::from_bytes(Alone.seed()), Alone.seed());
    client.register(b"password");
    loop {
        match client.poll(Alone.now()).unwrap() {
            Output::Request(exchange) => {
                let answer = node.serve(exchange.request).await;
                client.respond(exchange.id, Ok(answer), Alone.now());
            }
            Output::Event(_, Event::Done { outcome, .. }) => {
                outcome.unwrap();
                return client;
            }
            Output::Event(..) => {}
            // Nothing outlives this test.
            Output::Save(save) => client.saved(save.id, Ok(())),
            Output::Stopped => panic!("no save has failed"),
        }
    }
}

/// Connects; returns the client's end and the task that serves the other.
async fn connect(node: &Node<MemoryStore, Alone>) -> (Socket, JoinHandle<()>) {
    let (ours, theirs) = tokio::io::duplex(64 << 10);
    let server = WebSocketStream::from_raw_socket(theirs, Role::Server, Some(limits())).await;
    let served = tokio::spawn(serve(node.clone(), server));
    (WebSocketStream::from_raw_socket(ours, Role::Client, None).await, served)
}

/// Connects and is granted signals.
async fn listening(node: &Node<MemoryStore, Alone>, client: &mut Client) -> (Socket, JoinHandle<()>) {
    let (mut socket, served) = connect(node).await;
    socket.send(Message::Binary(client.listen().unwrap().into())).await.unwrap();
    let Message::Binary(answer) = socket.next().await.unwrap().unwrap() else { panic!("no answer") };
    ResponseEnvelope::read::<Done>(&answer).unwrap().unwrap();
    assert_eq!(
        socket.next().await.unwrap().unwrap(),
        Message::Binary(Bytes::new()),
        "the first signal comes immediately"
    );
    (socket, served)
}

/// Waits for the end of the connection and returns its code.
async fn end(mut socket: Socket) -> Option<CloseCode> {
    while let Some(message) = socket.next().await {
        match message {
            Ok(Message::Close(frame)) => return frame.map(|frame| frame.code),
            Ok(_) => {}
            Err(_) => return None,
        }
    }
    None
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_closed_in_time() {
    let node = node();
    let begun = Instant::now();
    let (socket, served) = connect(&node).await;
    assert_eq!(end(socket).await, Some(CloseCode::Policy));
    served.await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), FIRST_MESSAGE.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_too_large_closes_the_connection() {
    let node = node();
    let (mut socket, served) = connect(&node).await;
    // The server closes before all of it is sent, so sending may fail.
    let _ = socket.send(Message::Binary(vec![0; MAX_REQUEST + 1].into())).await;
    assert_eq!(end(socket).await, Some(CloseCode::Size));
    served.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_malformed_request_is_refused_and_closed() {
    let node = node();
    let (mut socket, served) = connect(&node).await;
    socket.send(Message::Binary(b"\0".as_slice().into())).await.unwrap();
    let Message::Binary(answer) = socket.next().await.unwrap().unwrap() else { panic!("no answer") };
    assert_eq!(ResponseEnvelope::read::<Done>(&answer).unwrap(), Err(Refusal::Malformed));
    assert_eq!(end(socket).await, Some(CloseCode::Normal));
    served.await.unwrap();
    assert_eq!(node.listening(), 0);

    // Other operations are not served here.
    let (mut socket, _) = connect(&node).await;
    let request = encode(
        &RequestEnvelope::to(
            node.homeserver().domain().clone(),
            Alone.now(),
            RequestId([0; 16]),
            &GetQsKeys {},
        )
        .unsigned()
        .unwrap(),
    );
    socket.send(Message::Binary(request.into())).await.unwrap();
    assert_eq!(end(socket).await, Some(CloseCode::Policy));

    let (mut socket, _) = connect(&node).await;
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(end(socket).await, Some(CloseCode::Unsupported));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_answers_stays_connected() {
    let node = node();
    let mut client = registered(&node).await;
    let (mut socket, _served) = listening(&node, &mut client).await;
    // An hour of nothing but pings.
    let silence = time::timeout(Duration::from_secs(3600), async {
        loop {
            match socket.next().await.unwrap().unwrap() {
                Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    });
    assert!(silence.await.is_err());
    assert_eq!(node.listening(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_gone_is_given_up() {
    let node = node();
    let mut client = registered(&node).await;
    let begun = Instant::now();
    let (_socket, served) = listening(&node, &mut client).await;
    served.await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 2 * SILENCE.as_secs());
    assert_eq!(node.listening(), 0);
}

#[tokio::test(start_paused = true)]
async fn connections_end_when_the_node_goes_away() {
    let node = node();
    let mut client = registered(&node).await;
    let (socket, served) = listening(&node, &mut client).await;
    node.drain().await;
    assert_eq!(end(socket).await, Some(CloseCode::Away));
    served.await.unwrap();
    assert_eq!(node.listening(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_message_after_the_request_ends_the_connection() {
    let node = node();
    let mut client = registered(&node).await;
    let (mut socket, served) = listening(&node, &mut client).await;
    socket.send(Message::Binary(Bytes::new())).await.unwrap();
    assert_eq!(end(socket).await, Some(CloseCode::Policy));
    served.await.unwrap();
}

#[test]
fn handshakes_are_checked() {
    let request = |change: &dyn Fn(&mut Request<()>)| {
        let builder = Request::get(PATH)
            .header("connection", "keep-alive, Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("sec-websocket-protocol", "other, phoenix.v1");
        let mut request = builder.body(()).unwrap();
        change(&mut request);
        request
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _entered = runtime.enter();
    let node = node();
    let answer = |change: &dyn Fn(&mut Request<()>)| upgrade(node.clone(), request(change));
    let good = answer(&|_| {});
    assert_eq!(good.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(good.headers()[header::SEC_WEBSOCKET_ACCEPT], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(good.headers()[header::SEC_WEBSOCKET_PROTOCOL], SUB_PROTOCOL);
    let changes: [(&'static str, Option<&'static str>, StatusCode); 7] = [
        ("connection", None, StatusCode::UPGRADE_REQUIRED),
        ("upgrade", Some("h2c"), StatusCode::UPGRADE_REQUIRED),
        ("sec-websocket-version", Some("8"), StatusCode::BAD_REQUEST),
        ("sec-websocket-key", None, StatusCode::BAD_REQUEST),
        ("sec-websocket-key", Some("short"), StatusCode::BAD_REQUEST),
        ("sec-websocket-protocol", None, StatusCode::BAD_REQUEST),
        ("sec-websocket-protocol", Some("phoenix.v12"), StatusCode::BAD_REQUEST),
    ];
    for (name, value, expected) in changes {
        let refused = answer(&|request| {
            request.headers_mut().remove(name);
            if let Some(value) = value {
                request.headers_mut().insert(name, HeaderValue::from_static(value));
            }
        });
        assert_eq!(refused.status(), expected, "{name}: {value:?}");
        assert_eq!(refused.headers()[header::SEC_WEBSOCKET_VERSION], "13");
    }
    let posted = answer(&|request| *request.method_mut() = hyper::Method::POST);
    assert_eq!(posted.status(), StatusCode::BAD_REQUEST);
}
