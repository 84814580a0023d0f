//! Users of two homeservers, over real sockets, on disk: all others read each message once, in one order,
//! also when a homeserver is down for a while.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod sites;

use phoenix_core::identifiers::{GroupId, GroupUuid, UserUuid};
use phoenix_hyper::{
    demo::people::{Comparison, Message, Person},
    peers::Peers,
};
use sites::{Site, sites};

/// Alice at the first homeserver, bob and carol at the second, in a group of alice's.
async fn gather([a, b]: &[Site; 2], peers: &Peers) -> ([Person; 3], GroupId) {
    let register = async |name, site: &Site| {
        Person::register(name, &site.domain, peers.clone(), "password").await.unwrap()
    };
    let mut alice = register("alice", a).await;
    let mut bob = register("bob", b).await;
    let mut carol = register("carol", b).await;
    alice.connect(&mut bob).await.unwrap();
    alice.connect(&mut carol).await.unwrap();
    let group = alice.client.create_group().await.unwrap();
    alice.client.invite(&group, &[bob.user().clone(), carol.user().clone()]).await.unwrap();
    for person in [&mut bob, &mut carol] {
        person.until("the invitation", |seen| seen.joined.contains(&group)).await.unwrap();
    }
    ([alice, bob, carol], group)
}

async fn assert_read(people: &mut [Person; 3], written: &mut [Message]) {
    written.sort_by_key(|message| message.position);
    for person in people {
        person.read(written).await.unwrap();
        let delivered = written.iter().filter(|message| message.from != *person.user()).count() as u64;
        assert_eq!(
            person.compare(written).unwrap(),
            Comparison { delivered, lost: 0, duplicated: 0 },
            "{}",
            person.name
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_write_at_once_and_read_the_same() {
    let (sites, peers) = sites(["a.localhost", "b.localhost"]).await;
    let (mut people, group) = gather(&sites, &peers).await;
    let before = [people[1].surplus().await.unwrap(), people[2].surplus().await.unwrap()];
    let mut written = Vec::new();
    for round in 0..10 {
        let writing = people.each_ref().map(|person| {
            let text = format!("{} {round}", person.name);
            person.write(&group, text)
        });
        let [one, two, three] = writing;
        written.extend(<[Message; 3]>::from(tokio::try_join!(one, two, three).unwrap()));
        if round == 5 {
            // The group continues through a change of its keys.
            people[2].client.update(&group).await.unwrap();
        }
    }
    written.push(people[0].write(&group, "the last one".to_owned()).await.unwrap());
    assert_read(&mut people, &mut written).await;
    let after = [people[1].surplus().await.unwrap(), people[2].surplus().await.unwrap()];
    assert_eq!(after, before, "no queue held anything twice");
    let [alice, bob, carol] = people.each_ref().map(|person| person.client.groups());
    let views = [alice.await.unwrap(), bob.await.unwrap(), carol.await.unwrap()]
        .map(|groups| groups.into_iter().find(|view| view.group_id == group).unwrap());
    assert!(views.iter().all(|view| view.epoch_authenticator == views[0].epoch_authenticator));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_written_while_a_homeserver_is_down_wait_for_it() {
    let (mut sites, peers) = sites(["a.localhost", "b.localhost"]).await;
    let (mut people, group) = gather(&sites, &peers).await;
    let before = people[1].surplus().await.unwrap();
    let mut written = vec![people[1].write(&group, "before".to_owned()).await.unwrap()];
    sites[1].stop().await;
    for number in 0..3 {
        written.push(people[0].write(&group, number.to_string()).await.unwrap());
    }
    // The sender's homeserver is restarted, too, and no further message triggers the delivery.
    sites[0].stop().await;
    sites[0].start(peers.clone()).await;
    sites[1].start(peers.clone()).await;
    assert_read(&mut people, &mut written).await;
    assert_eq!(people[1].surplus().await.unwrap(), before);
}

/// More events than the channel and the queue behind it hold, so that the client pauses reading.
const MANY: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_are_not_taken_for_a_while_are_not_lost() {
    let (sites, peers) = sites(["a.localhost", "b.localhost"]).await;
    let (mut people, group) = gather(&sites, &peers).await;
    let writing = (0..MANY).map(|number| people[0].write(&group, number.to_string()));
    let mut written = futures_util::future::try_join_all(writing).await.unwrap();
    // Bob and carol have taken no event yet.
    assert!(people[1].seen.messages.is_empty());
    assert_read(&mut people, &mut written).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_ends_with_its_last_handle() {
    let (sites, peers) = sites(["a.localhost"]).await;
    let person = Person::register("alice", &sites[0].domain, peers, "password").await.unwrap();
    sites::eventually(async || sites[0].listening() == 1).await;
    let other = person.client.clone();
    drop(person);
    assert!(other.groups().await.unwrap().is_empty(), "one handle is left");
    assert_eq!(sites[0].listening(), 1);
    drop(other);
    sites::eventually(async || sites[0].listening() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_say_what_is_wrong() {
    use phoenix_core::{client::ClientError as Protocol, identifiers::UserId};
    use phoenix_hyper::client::ClientError;

    let (sites, peers) = sites(["a.localhost"]).await;
    let domain = sites[0].domain.clone();
    let alice = Person::register("alice", &domain, peers, "password").await.unwrap().client;
    let nowhere = GroupId { uuid: GroupUuid([1; 16]), domain: domain.clone() };
    assert_eq!(alice.send(&nowhere, b"text").await, Err(ClientError::Protocol(Protocol::UnknownGroup)));
    let stranger = UserId { uuid: UserUuid([1; 16]), domain };
    let group = alice.create_group().await.unwrap();
    let refused = alice.invite(&group, std::slice::from_ref(&stranger)).await;
    assert_eq!(refused, Err(ClientError::Protocol(Protocol::NotAContact(stranger.clone()))));
    let refused = alice.connect(&stranger).await;
    let not_found = phoenix_core::error::Refusal::NotFound;
    assert_eq!(refused, Err(ClientError::Protocol(Protocol::Refused(not_found))));
}
