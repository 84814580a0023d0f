//! Homeservers are killed repeatedly while users write: all others read each acknowledged message once, in
//! the group's order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use phoenix_core::identifiers::GroupId;
use phoenix_hyper::{
    demo::people::{Comparison, Message, Person},
    local::{Homeserver, Program, reach},
    peers::Peers,
};
use tokio::sync::mpsc;

/// How often a homeserver is killed; the two take turns.
const KILLS: usize = 100;

/// Peers are retried soon, so that the test is short.
const SETTINGS: &str = "[times]\nbackoff_first = \"50 ms\"\nbackoff_limit = \"1 s\"\n";

/// Two homeservers, each a process of its own on its own disk.
async fn homeservers(folder: &std::path::Path) -> ([Homeserver; 2], Peers) {
    let program = Program { path: env!("CARGO_BIN_EXE_phoenix").into(), plant: None, log_level: "info" };
    let mut homeservers = ["a.localhost", "b.localhost"]
        .map(|domain| Homeserver::create(folder, domain.parse().unwrap(), &program).unwrap());
    let places = homeservers.each_ref().map(|homeserver| homeserver.place.clone());
    let peers = Peers::new(reach(&places).unwrap()).unwrap();
    for homeserver in &mut homeservers {
        homeserver.configure(&places, SETTINGS).unwrap();
        homeserver.start(&peers).await.unwrap();
    }
    (homeservers, peers)
}

/// Writes one message after the other until `stop` is set.
fn write(
    person: &Person,
    group: &GroupId,
    acknowledged: mpsc::UnboundedSender<Message>,
    stop: Arc<AtomicBool>,
) -> tokio::task::JoinHandle<()> {
    let (client, name, group) = (person.client.clone(), person.name, group.clone());
    tokio::spawn(async move {
        let mut number = 0;
        while !stop.load(Ordering::Acquire) {
            number += 1;
            let text = format!("{name} {number}");
            let position = client.send(&group, text.as_bytes()).await.unwrap();
            let message = Message { group: group.clone(), position, from: client.user_id().clone(), text };
            acknowledged.send(message).unwrap();
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_or_doubled_by_killing_homeservers() {
    let folder = tempfile::tempdir().unwrap();
    let (mut homeservers, peers) = homeservers(folder.path()).await;
    let domains = homeservers.each_ref().map(|homeserver| homeserver.place.domain.clone());
    let register = async |name, index: usize| {
        Person::register(name, &domains[index], peers.clone(), "password").await.unwrap()
    };
    let mut people = [register("alice", 0).await, register("bob", 1).await, register("carol", 1).await];

    // Alice's group on a and bob's on b; all users are in both.
    let mut groups = Vec::new();
    for owner in 0..2 {
        let group = people[owner].client.create_group().await.unwrap();
        let mut users = Vec::new();
        for other in (0..3).filter(|other| *other != owner) {
            let user = people[other].user().clone();
            if !people[owner].seen.connected.contains(&user) {
                let [one, two] = people.get_disjoint_mut([owner, other]).unwrap();
                one.connect(two).await.unwrap();
            }
            users.push(user);
        }
        people[owner].client.invite(&group, &users).await.unwrap();
        for (index, person) in people.iter_mut().enumerate() {
            if index != owner {
                person.until("the invitation", |seen| seen.joined.contains(&group)).await.unwrap();
            }
        }
        groups.push(group);
    }

    let mut before = Vec::new();
    for person in &people {
        before.push(person.surplus().await.unwrap());
    }
    let (acknowledged, mut acknowledgements) = mpsc::unbounded_channel();
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = people
        .iter()
        .flat_map(|person| groups.iter().map(move |group| (person, group)))
        .map(|(person, group)| write(person, group, acknowledged.clone(), Arc::clone(&stop)))
        .collect();
    drop(acknowledged);
    let mut written = Vec::new();
    for kill in 0..KILLS {
        // Right after an acknowledgement, with other messages under way.
        for _ in 0..1 + kill * 5 % 7 {
            written.push(acknowledgements.recv().await.unwrap());
        }
        let victim = &mut homeservers[kill % 2];
        victim.kill().await.unwrap();
        victim.start(&peers).await.unwrap();
    }
    stop.store(true, Ordering::Release);
    while let Some(message) = acknowledgements.recv().await {
        written.push(message);
    }
    for writer in writers {
        writer.await.unwrap();
    }

    // The last message of each group: all earlier ones are delivered before it.
    for (group, index) in groups.iter().zip([0, 1]) {
        written.push(people[index].write(group, "the last one".to_owned()).await.unwrap());
    }
    assert!(written.len() > 3 * KILLS, "{}", written.len());
    for (person, before) in people.iter_mut().zip(before) {
        person.read(&written).await.unwrap();
        let delivered = written.iter().filter(|message| message.from != *person.user()).count() as u64;
        assert_eq!(
            person.compare(&written).unwrap(),
            Comparison { delivered, lost: 0, duplicated: 0 },
            "{}",
            person.name
        );
        // The receipts of a user's own messages come in the same queue.
        let surplus = person.surplus().await.unwrap();
        assert_eq!(surplus, before, "{}'s queue held something twice", person.name);
    }
}
