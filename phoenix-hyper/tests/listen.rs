//! The web socket over real sockets: a client is signalled for every entry of its queue.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod manual;
mod sites;

use futures_util::{SinkExt, StreamExt};
use manual::Manual;
use phoenix_core::{
    client::Event,
    codec::{decode, encode},
    error::Refusal,
    identifiers::{GroupId, UserId},
    limits::MAX_REQUEST,
    wire::{
        envelope::{RequestEnvelope, ResponseEnvelope},
        message::Done,
        operations::Service,
    },
};
use phoenix_hyper::{
    demo::people::Person,
    listen::{PATH, SUB_PROTOCOL},
};
use sites::{PATIENCE, sites};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{ClientRequestBuilder, Message, protocol::frame::coding::CloseCode},
};

/// Opens a connection without sending a message.
async fn connect(client: &Manual) -> Socket {
    let connection = client.peers.connect(&client.domain, Service::Queuing).await.unwrap();
    let uri = format!("wss://qs.{}{PATH}", client.domain).parse().unwrap();
    let request = ClientRequestBuilder::new(uri).with_sub_protocol(SUB_PROTOCOL);
    Socket(client_async(request, connection).await.unwrap().0)
}

/// Opens a connection, is granted signals, and takes the first.
async fn listen(client: &mut Manual) -> Socket {
    let mut socket = connect(client).await;
    socket.say(client.core.listen().unwrap()).await;
    let Message::Binary(answer) = socket.hear().await else { panic!("no answer") };
    ResponseEnvelope::read::<Done>(&answer).unwrap().unwrap();
    socket.signal().await;
    socket
}

struct Socket(WebSocketStream<TlsStream<TcpStream>>);

impl Socket {
    async fn say(&mut self, bytes: Vec<u8>) {
        self.0.send(Message::Binary(bytes.into())).await.unwrap();
    }

    async fn hear(&mut self) -> Message {
        timeout(PATIENCE, self.0.next()).await.expect("something is said").unwrap().unwrap()
    }

    async fn signal(&mut self) {
        assert_eq!(self.hear().await, Message::Binary(Vec::new().into()));
    }

    async fn closed(mut self) -> Option<CloseCode> {
        match self.hear().await {
            Message::Close(frame) => frame.map(|frame| frame.code),
            other => panic!("{other:?}"),
        }
    }
}

/// Creates a group of alice's with bob as a member.
async fn gather(alice: &mut Person, bob: &mut Manual) -> GroupId {
    let user: UserId = bob.core.user_id();
    alice.client.connect(&user).await.unwrap();
    bob.read().await;
    alice.until("bob accepts", |seen| seen.connected.contains(&user)).await.unwrap();
    let group = alice.client.create_group().await.unwrap();
    alice.client.invite(&group, &[user]).await.unwrap();
    sites::eventually(async || {
        bob.read().await;
        bob.events.contains(&Event::Joined(group.clone()))
    })
    .await;
    group
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_connection_of_a_client_is_signalled() {
    let (sites, peers) = sites(["a.localhost", "b.localhost"]).await;
    let mut alice = Person::register("alice", &sites[0].domain, peers.clone(), "password").await.unwrap();
    let mut bob = Manual::register(&sites[1].domain, &peers, "password").await;
    let group = gather(&mut alice, &mut bob).await;
    let (mut one, mut two) = (listen(&mut bob).await, listen(&mut bob).await);
    assert_eq!(sites[1].listening(), 1, "one client");
    alice.client.send(&group, b"hello").await.unwrap();
    one.signal().await;
    two.signal().await;
    bob.read().await;
    assert_eq!(bob.texts(), [b"hello"]);
    // Closing one leaves the other open.
    one.0.close(None).await.unwrap();
    alice.client.send(&group, b"again").await.unwrap();
    two.signal().await;
    bob.read().await;
    assert_eq!(bob.texts(), [b"hello".as_slice(), b"again"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_between_reading_and_listening_is_signalled() {
    let (sites, peers) = sites(["a.localhost"]).await;
    let mut alice = Person::register("alice", &sites[0].domain, peers.clone(), "password").await.unwrap();
    let mut bob = Manual::register(&sites[0].domain, &peers, "password").await;
    let group = gather(&mut alice, &mut bob).await;
    bob.read().await;
    assert!(bob.texts().is_empty());
    // Another connection is signalled once the message is in the queue, and closes.
    let mut other = listen(&mut bob).await;
    alice.client.send(&group, b"in between").await.unwrap();
    other.signal().await;
    other.0.close(None).await.unwrap();
    // No further entry comes; a new connection is signalled nevertheless.
    let _socket = listen(&mut bob).await;
    bob.read().await;
    assert_eq!(bob.texts(), [b"in between"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_connect_again_by_themselves() {
    let (mut sites, peers) = sites(["a.localhost", "b.localhost"]).await;
    let mut alice = Person::register("alice", &sites[0].domain, peers.clone(), "password").await.unwrap();
    let mut bob = Person::register("bob", &sites[1].domain, peers.clone(), "password").await.unwrap();
    alice.connect(&mut bob).await.unwrap();
    let group = alice.client.create_group().await.unwrap();
    alice.client.invite(&group, &[bob.user().clone()]).await.unwrap();
    bob.until("the invitation", |seen| seen.joined.contains(&group)).await.unwrap();
    for round in 1..=2 {
        sites[1].stop().await;
        sites[1].start(peers.clone()).await;
        sites::eventually(async || sites[1].listening() == 1).await;
        alice.client.send(&group, b"hello").await.unwrap();
        bob.until("a message", |seen| seen.messages.len() == round).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_may_not_listen_is_refused_and_closed() {
    let (sites, peers) = sites(["a.localhost"]).await;
    let mut bob = Manual::register(&sites[0].domain, &peers, "password").await;
    let mut socket = connect(&bob).await;
    let mut request: RequestEnvelope = decode(&bob.core.listen().unwrap()).unwrap();
    request.request_id.0[0] ^= 1;
    socket.say(encode(&request)).await;
    let Message::Binary(answer) = socket.hear().await else { panic!("no answer") };
    assert_eq!(ResponseEnvelope::read::<Done>(&answer).unwrap(), Err(Refusal::Unauthenticated));
    assert_eq!(socket.closed().await, Some(CloseCode::Normal));
    assert_eq!(sites[0].listening(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_too_large_closes_the_connection() {
    let (sites, peers) = sites(["a.localhost"]).await;
    let bob = Manual::register(&sites[0].domain, &peers, "password").await;
    let mut socket = connect(&bob).await;
    // The server may close before all of it is sent.
    let _ = socket.0.send(Message::Binary(vec![0; MAX_REQUEST + 1].into())).await;
    while let Ok(Some(Ok(message))) = timeout(PATIENCE, socket.0.next()).await {
        assert!(
            matches!(&message, Message::Close(Some(frame)) if frame.code == CloseCode::Size),
            "{message}"
        );
    }
    assert_eq!(sites[0].listening(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn web_sockets_are_at_the_queuing_service_alone() {
    let (sites, peers) = sites(["a.localhost"]).await;
    let domain = &sites[0].domain;
    for (service, name) in [(Service::Authentication, "as"), (Service::Delivery, "ds")] {
        let connection = peers.connect(domain, service).await.unwrap();
        let uri = format!("wss://{name}.{domain}{PATH}").parse().unwrap();
        let request = ClientRequestBuilder::new(uri).with_sub_protocol(SUB_PROTOCOL);
        let refused = client_async(request, connection).await.unwrap_err().to_string();
        assert!(refused.contains("404"), "{refused}");
    }
    let connection = peers.connect(domain, Service::Queuing).await.unwrap();
    let uri = format!("wss://qs.{domain}{PATH}").parse().unwrap();
    let refused = client_async(ClientRequestBuilder::new(uri), connection).await.unwrap_err().to_string();
    assert!(refused.contains("400"), "without the sub-protocol: {refused}");
}
