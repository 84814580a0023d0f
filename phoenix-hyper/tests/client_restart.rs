//! Clients that stop and start again on their stores: they go on where they were, show what was not
//! confirmed, and say so when they cannot save.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod sites;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use phoenix_core::{
    client::{ClientError as Protocol, RecordChange, RestoreError, StoredRecord},
    identifiers::{Domain, GroupId},
};
use phoenix_hyper::{
    client::{
        Client, ClientConfig, ClientError, Event, Events, Intention, Received, StartError, StorageKey,
        store::{ClientStore, ClientStoreError, MemoryClientStore, SqliteClientStore},
    },
    demo::people::Person,
    peers::Peers,
};
use sites::{PATIENCE, sites};
use tokio::time;

/// What a client is started with.
#[derive(Clone)]
struct Owner {
    domain: Domain,
    peers: Peers,
    key: StorageKey,
}

impl Owner {
    fn new(domain: &Domain, peers: &Peers) -> Self {
        Self { domain: domain.clone(), peers: peers.clone(), key: StorageKey::from_bytes([7; 32]) }
    }

    fn start(&self, store: impl ClientStore) -> Result<(Client, Events), StartError> {
        Client::start(ClientConfig::new(self.domain.clone()), self.peers.clone(), self.key.clone(), store)
    }
}

/// Takes events, without confirming them, until one is as wanted.
async fn until(events: &mut Events, wanted: impl Fn(&Event) -> bool) -> Vec<Received> {
    let mut taken = Vec::new();
    let taking = async {
        while !taken.last().is_some_and(|received: &Received| wanted(&received.event)) {
            taken.push(events.next().await.unwrap());
        }
    };
    time::timeout(PATIENCE, taking).await.expect("this event comes");
    taken
}

/// Drops the last handle; returns once the client has stopped.
async fn stopped(client: Client, mut events: Events) {
    drop(client);
    let ending = async { while events.next().await != Err(ClientError::Stopped) {} };
    time::timeout(PATIENCE, ending).await.expect("a client stops with its last handle");
}

fn message(event: &Event, wanted: &str) -> bool {
    matches!(event, Event::Message { text, .. } if text == wanted.as_bytes())
}

/// Connects alice with the user of `client`. Returns the connection's group.
async fn connect(alice: &mut Person, client: &Client, events: &mut Events) -> GroupId {
    let user = client.user_id().clone();
    alice.client.connect(&user).await.unwrap();
    client.read().await.unwrap();
    alice.until("the connection", |seen| seen.connected.contains(&user)).await.unwrap();
    until(events, |event| matches!(event, Event::Connected(_))).await;
    alice.client.groups().await.unwrap().remove(0).group_id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_goes_on_where_it_was() {
    let (sites, peers) = sites(["a.localhost"]).await;
    let mut alice = Person::register("alice", &sites[0].domain, peers.clone(), "password").await.unwrap();
    let owner = Owner::new(&sites[0].domain, &peers);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bob");
    let open = || SqliteClientStore::open(&path);

    let (bob, mut events) = owner.start(open().unwrap()).unwrap();
    bob.register(b"password").await.unwrap();
    let group = connect(&mut alice, &bob, &mut events).await;
    let (user, groups) = (bob.user_id().clone(), bob.groups().await.unwrap());
    assert!(matches!(open(), Err(ClientStoreError::InUse { .. })), "the store is bob's while bob is there");
    alice.client.send(&group, b"confirmed").await.unwrap();
    let taken = until(&mut events, |event| message(event, "confirmed")).await;
    for received in taken {
        bob.confirm(received.id).await.unwrap();
    }
    alice.client.send(&group, b"not confirmed").await.unwrap();
    let unconfirmed = until(&mut events, |event| message(event, "not confirmed")).await;
    stopped(bob, events).await;

    alice.client.send(&group, b"while bob is away").await.unwrap();
    let other = Owner { key: StorageKey::from_bytes([8; 32]), ..owner.clone() };
    let refused = other.start(open().unwrap()).map(|_| ());
    assert_eq!(refused, Err(StartError::Restore(RestoreError::WrongKey)));

    let (bob, mut events) = owner.start(open().unwrap()).unwrap();
    assert_eq!(*bob.user_id(), user);
    assert_eq!(bob.groups().await.unwrap()[0].group_id, groups[0].group_id);
    assert_eq!(bob.contacts().await.unwrap(), [alice.user().clone()]);
    let taken = until(&mut events, |event| message(event, "while bob is away")).await;
    let shown_again: Vec<&Received> =
        taken.iter().filter(|received| unconfirmed.contains(received)).collect();
    assert_eq!(shown_again.len(), unconfirmed.len(), "{taken:?}");
    assert!(!taken.iter().any(|received| message(&received.event, "confirmed")), "{taken:?}");
    bob.send(&group, b"back again").await.unwrap();
    alice.until("bob's message", |seen| seen.messages.len() == 1).await.unwrap();
    assert_eq!(alice.seen.messages[0].text, "back again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_called_before_the_last_handle_is_dropped_is_saved() {
    let (mut sites, peers) = sites(["a.localhost"]).await;
    let mut alice = Person::register("alice", &sites[0].domain, peers.clone(), "password").await.unwrap();
    let (owner, store) = (Owner::new(&sites[0].domain, &peers), MemoryClientStore::default());
    let (bob, mut events) = owner.start(store.clone()).unwrap();
    bob.register(b"password").await.unwrap();
    let group = connect(&mut alice, &bob, &mut events).await;
    alice.client.send(&group, b"question").await.unwrap();
    let question = until(&mut events, |event| message(event, "question")).await.pop().unwrap();
    // The answer cannot leave before bob is gone.
    sites[0].stop().await;
    let answer = group.clone();
    let intent = bob.act(move |core| {
        core.confirm(question.id);
        core.send(&answer, b"answer")
    });
    let intent = intent.await.unwrap();
    stopped(bob, events).await;

    sites[0].start(peers.clone()).await;
    let (_bob, mut events) = owner.start(store).unwrap();
    let is_done = |event: &Event| matches!(event, Event::Done { intent: done, .. } if *done == intent);
    let taken = until(&mut events, is_done).await;
    let acknowledged =
        |event: &Event| matches!(event, Event::MessageAcknowledged { intent: of, .. } if *of == intent);
    assert!(taken.iter().any(|received| acknowledged(&received.event)), "{taken:?}");
    assert!(!taken.iter().any(|received| received.id == question.id), "the question was confirmed");
    alice.until("the answer", |seen| !seen.messages.is_empty()).await.unwrap();
    let texts: Vec<&str> = alice.seen.messages.iter().map(|message| message.text.as_str()).collect();
    assert_eq!(texts, ["answer"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_method_returns_is_not_shown_and_all_else_is() {
    let (sites, peers) = sites(["a.localhost"]).await;
    let owner = Owner::new(&sites[0].domain, &peers);
    let store = MemoryClientStore::default();
    let (bob, mut events) = owner.start(store.clone()).unwrap();
    bob.register(b"password").await.unwrap();
    let group = bob.create_group().await.unwrap();
    bob.send(&group, b"by a method").await.unwrap();
    let sent = group.clone();
    let intent = bob.act(move |core| core.send(&sent, b"by a step")).await.unwrap();
    let done = |event: &Event| matches!(event, Event::Done { intent: done, .. } if *done == intent);
    let taken: Vec<Event> =
        until(&mut events, done).await.into_iter().map(|received| received.event).collect();
    let text = b"by a step".to_vec();
    let acknowledged = |event: &Event| match event {
        Event::MessageAcknowledged { intent: of, text: sent, .. } => *of == intent && *sent == text,
        _ => false,
    };
    assert!(taken.contains(&Event::Registered), "{taken:?}");
    let others: Vec<&Event> =
        taken.iter().filter(|event| **event != Event::Registered && !acknowledged(event)).collect();
    assert!(matches!(others[..], [Event::EpochChanged { .. }, last] | [last] if done(last)), "{taken:?}");
    assert!(taken.iter().any(acknowledged), "{taken:?}");

    // What methods have returned is not shown after a restart, either.
    stopped(bob, events).await;
    let (bob, mut events) = owner.start(store).unwrap();
    let again: Vec<Event> =
        until(&mut events, done).await.into_iter().map(|received| received.event).collect();
    assert_eq!(again, taken);

    // A method that is given up leaves its end to the events.
    let (mut sending, sent) = (Box::pin(bob.send(&group, b"given up")), group.clone());
    tokio::select! {
        biased;
        _ = &mut sending => panic!("a message takes a homeserver"),
        other = bob.act(move |core| core.send(&sent, b"behind it")) => drop(other.unwrap()),
    }
    drop(sending);
    let acknowledged = |wanted: &'static [u8]| move |event: &Event| matches!(event, Event::MessageAcknowledged { text, .. } if text == wanted);
    let taken = until(&mut events, acknowledged(b"behind it")).await;
    assert!(taken.iter().any(|received| acknowledged(b"given up")(&received.event)), "{taken:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_receiver_events_wait_for_the_next_start() {
    let (sites, peers) = sites(["a.localhost"]).await;
    let mut alice = Person::register("alice", &sites[0].domain, peers.clone(), "password").await.unwrap();
    let (owner, store) = (Owner::new(&sites[0].domain, &peers), MemoryClientStore::default());
    let (bob, mut events) = owner.start(store.clone()).unwrap();
    bob.register(b"password").await.unwrap();
    let group = connect(&mut alice, &bob, &mut events).await;
    drop(events);
    alice.client.send(&group, b"to no one yet").await.unwrap();
    bob.send(&group, b"of one who does not listen").await.unwrap();
    alice.until("bob's message", |seen| seen.messages.len() == 1).await.unwrap();
    drop(bob);
    // It takes the records over, if the one before still has them.
    let (_bob, mut events) = owner.start(store).unwrap();
    until(&mut events, |event| message(event, "to no one yet")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_homeserver_is_listed_and_can_be_cancelled() {
    let (mut sites, peers) = sites(["a.localhost"]).await;
    let owner = Owner::new(&sites[0].domain, &peers);
    let (bob, _events) = owner.start(MemoryClientStore::default()).unwrap();
    bob.register(b"password").await.unwrap();
    let group = bob.create_group().await.unwrap();
    sites[0].stop().await;
    let sending = bob.send(&group, b"to no one");
    let cancelling = async {
        let mut found = None;
        sites::eventually(async || {
            let under_way = bob.under_way().await.unwrap();
            found = under_way
                .into_iter()
                .find(|intent| intent.what == Intention::Send && intent.last_failure.is_some());
            found.is_some()
        })
        .await;
        let found = found.unwrap();
        assert_eq!((found.group, found.awaits), (Some(group.clone()), Some(owner.domain.clone())));
        assert!(bob.cancel(found.id).await.unwrap());
        assert!(!bob.cancel(found.id).await.unwrap());
    };
    let (sent, ()) = tokio::join!(sending, cancelling);
    assert_eq!(sent, Err(ClientError::Protocol(Protocol::Cancelled)));
}

/// A store that fails once it is told to.
struct Failing {
    records: MemoryClientStore,
    fails: Arc<AtomicBool>,
}

fn full() -> ClientStoreError {
    ClientStoreError::Full { store: "of the test".to_owned(), reason: "no space".to_owned() }
}

impl ClientStore for Failing {
    fn load(&mut self) -> Result<Vec<StoredRecord>, ClientStoreError> {
        self.records.load()
    }

    fn save(&mut self, changes: &[RecordChange]) -> Result<(), ClientStoreError> {
        if self.fails.load(Ordering::Acquire) { Err(full()) } else { self.records.save(changes) }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_cannot_save_stops_and_says_so() {
    let (sites, peers) = sites(["a.localhost"]).await;
    let owner = Owner::new(&sites[0].domain, &peers);
    let (records, fails) = (MemoryClientStore::default(), Arc::new(AtomicBool::new(false)));
    let store = Failing { records: records.clone(), fails: Arc::clone(&fails) };
    let (bob, mut events) = owner.start(store).unwrap();
    bob.register(b"password").await.unwrap();
    let group = bob.create_group().await.unwrap();
    let position = bob.send(&group, b"saved").await.unwrap();

    fails.store(true, Ordering::Release);
    let failed = ClientError::SaveFailed(full());
    let (one, two) = tokio::join!(bob.send(&group, b"not saved"), bob.update(&group));
    assert_eq!((one, two), (Err(failed.clone()), Err(failed.clone())));
    assert_eq!(bob.groups().await, Err(failed.clone()));
    assert_eq!(bob.has_read(1000).await, Err(failed.clone()));
    let ending = async {
        loop {
            if let Err(error) = events.next().await {
                return error;
            }
        }
    };
    assert_eq!(time::timeout(PATIENCE, ending).await.unwrap(), failed);
    assert_eq!(events.next().await, Err(failed.clone()), "it says so as often as it is asked");
    assert_eq!(
        failed.to_string(),
        "the client has stopped: the client store of the test has no space left: no space"
    );

    // Nothing that was not saved has left.
    let (bob, _events) = owner.start(records).unwrap();
    assert_eq!(bob.send(&group, b"saved again").await.unwrap(), position + 1);
}
