//! PROTOCOL.md §11 — clients against homeservers, from registration to messages in both directions.

mod allowances;
mod backups;
mod clocks;
mod dishonest;
mod hostile;
mod lent_keys;
mod mls_vectors;
mod network;
mod paying;
mod restarts;
mod saves;
mod vectors;

use self::network::{Network, Outage};
use super::{Client, ClientError, Event, Intention};
use crate::{
    error::Refusal,
    identifiers::{Domain, GroupId},
    time::DAY,
    wire::{envelope::ResponseEnvelope, message::Done, operations::OperationKind},
};

/// Returns three registered users: two at one homeserver, the third at another.
fn three_users(network: &mut Network) -> [usize; 3] {
    let users = ["one.example", "one.example", "two.example"].map(|domain| network.client(domain, |_| {}));
    for user in users {
        network.insist(user, |client| client.register(b"a password")).unwrap();
        assert!(network.events[user].contains(&Event::Registered));
        assert!(network.clients[user].qs_client().is_some());
    }
    users
}

/// Connects the first with both others.
fn connect(network: &mut Network, [first, second, third]: [usize; 3]) {
    for other in [second, third] {
        let user = network.user(other);
        network.insist(first, |client| client.connect(user.clone())).unwrap();
    }
    network.settle(|network| {
        [second, third].iter().all(|other| network.clients[*other].contacts() == [network.user(first)])
            && network.clients[first].contacts().len() == 2
    });
}

/// Has `creator` create a group.
fn create_group(network: &mut Network, creator: usize) -> GroupId {
    network.insist(creator, Client::create_group).unwrap();
    let created = network.events[creator].iter().rev().find_map(|event| match event {
        Event::GroupCreated { group, .. } => Some(group.clone()),
        _ => None,
    });
    created.unwrap()
}

/// Three users in a group of the first.
fn group_of_three(network: &mut Network) -> ([usize; 3], GroupId) {
    let users = three_users(network);
    connect(network, users);
    let group = create_group(network, users[0]);
    let invited = [network.user(users[1]), network.user(users[2])];
    network.insist(users[0], |client| client.invite(&group, &invited)).unwrap();
    network.settle(|network| users[1..].iter().all(|user| joined(network, *user, &group)));
    (users, group)
}

fn joined(network: &Network, client: usize, group: &GroupId) -> bool {
    network.events[client].contains(&Event::Joined(group.clone()))
}

/// Asserts that all hold the same secret in the same epoch, are healthy and see the same members.
fn assert_agreement(network: &Network, clients: &[usize], group: &GroupId) {
    network.assert_untroubled();
    let views: Vec<_> = clients
        .iter()
        .map(|client| {
            let groups = network.clients[*client].groups();
            groups.into_iter().find(|view| view.group_id == *group).unwrap()
        })
        .collect();
    for view in &views {
        assert!(view.healthy, "{view:?}");
        assert_eq!(view.members.len(), clients.len());
        assert_eq!(view.epoch_authenticator, views[0].epoch_authenticator);
        assert_eq!((view.epoch, &view.members), (views[0].epoch, &views[0].members));
    }
}

#[test]
fn from_registration_to_messages_across_homeservers() {
    let mut network = Network::new(1, &["one.example", "two.example"]);
    let (users, group) = group_of_three(&mut network);
    assert_agreement(&network, &users, &group);

    let mut sent = Vec::new();
    for round in 0..3 {
        for user in users {
            let text = format!("message {round} of {user}").into_bytes();
            let task = network.clients[user].send(&group, &text);
            network.finish(user, task).unwrap();
            sent.push(text);
        }
    }
    network.settle(|network| users.iter().all(|user| network.messages(*user, &group).len() == sent.len()));
    for user in users {
        let texts: Vec<_> = network.messages(user, &group).into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, sent);
    }

    // Renewing keys changes the epoch for all, and messages go on.
    for user in users {
        let task = network.clients[user].update(&group);
        network.finish(user, task).unwrap();
    }
    network.settle(|network| {
        let epoch =
            |user: usize| network.clients[user].groups().into_iter().find(|view| view.group_id == group);
        users.iter().all(|user| epoch(*user).is_some_and(|view| view.epoch == 4))
    });
    assert_agreement(&network, &users, &group);
}

#[test]
fn what_is_held_is_read_at_once_and_followed_later() {
    let mut network = Network::new(9, &["one.example", "two.example"]);
    let users = three_users(&mut network);
    connect(&mut network, users);
    let group = create_group(&mut network, users[0]);
    let reader = users[2];
    let invited = [network.user(reader)];
    let task = network.clients[users[0]].invite(&group, &invited);
    network.finish(users[0], task).unwrap();
    network.settle(|network| joined(network, reader, &group));
    network.clients[reader].hold_deliveries(true);
    for text in [b"1", b"2", b"3"] {
        let task = network.clients[users[0]].send(&group, text);
        network.finish(users[0], task).unwrap();
    }
    for _ in 0..3 {
        let task = network.clients[reader].read_queues();
        network.finish(reader, task).unwrap();
        network.pass(1000);
    }
    assert_eq!(network.messages(reader, &group), []);
    network.clients[reader].hold_deliveries(false);
    network.settle(|network| network.messages(reader, &group).len() == 3);
    let texts: Vec<_> = network.messages(reader, &group).into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, [b"1", b"2", b"3"]);
}

/// The user who was asked invites the other before that one has followed that the connection is made.
#[test]
fn an_invitation_that_overtakes_its_connection_waits_for_it() {
    let mut network = Network::new(47, &["one.example", "two.example"]);
    let [first, _, third] = three_users(&mut network);
    let asked = network.user(third);
    network.clients[first].hold_deliveries(true);
    network.insist(first, |client| client.connect(asked.clone())).unwrap();
    network.settle(|network| !network.clients[third].contacts().is_empty());
    let group = create_group(&mut network, third);
    let invited = [network.user(first)];
    network.insist(third, |client| client.invite(&group, &invited)).unwrap();
    network.pass(5_000);
    network.insist(first, Client::read_queues).unwrap();
    network.pass(5_000);
    assert!(network.clients[first].contacts().is_empty());
    assert!(network.clients[first].under_way().iter().any(|view| view.what == Intention::Join));
    network.clients[first].hold_deliveries(false);
    network.settle(|network| joined(network, first, &group));
    assert_agreement(&network, &[first, third], &group);
}

#[test]
fn tokens_in_stock_need_not_be_fetched() {
    let mut network = Network::new(10, &["one.example"]);
    let user = network.client("one.example", |config| config.tokens_per_batch = 10);
    let task = network.clients[user].register(b"a password");
    network.finish(user, task).unwrap();
    let domain = network.user(user).domain;
    let task = network.clients[user].stock_tokens(&domain, 25);
    network.finish(user, task).unwrap();
    let group = create_group(&mut network, user);
    let issued = network.requests(OperationKind::IssueTokens);
    for _ in 0..20 {
        let task = network.clients[user].send(&group, b"text");
        network.finish(user, task).unwrap();
    }
    assert_eq!(network.requests(OperationKind::IssueTokens), issued);
}

#[test]
fn commits_and_messages_of_all_at_once() {
    let mut network = Network::new(2, &["one.example", "two.example"]);
    let (users, group) = group_of_three(&mut network);
    let [first, _, _] = users;

    let mut tasks = Vec::new();
    for round in 0..4 {
        for user in users {
            tasks.push((user, network.clients[user].update(&group)));
            let text = format!("{round} of {user}");
            tasks.push((user, network.clients[user].send(&group, text.as_bytes())));
        }
    }
    for (user, task) in tasks {
        network.finish(user, task).unwrap();
    }
    network.settle(|network| users.iter().all(|user| network.messages(*user, &group).len() == 12));
    assert_agreement(&network, &users, &group);
    for user in users {
        assert_eq!(network.messages(user, &group), network.messages(first, &group));
    }
}

#[test]
fn lost_requests_and_answers_lose_nothing_and_double_nothing() {
    for seed in 3..6 {
        let mut network = Network::new(seed, &["one.example", "two.example"]);
        network.loss = 20;
        let users = three_users(&mut network);
        let [first, second, third] = users;
        connect(&mut network, users);
        let group = create_group(&mut network, first);
        for invited in [second, third] {
            let invited = [network.user(invited)];
            let task = network.clients[first].invite(&group, &invited);
            network.finish(first, task).unwrap();
        }
        network.settle(|network| joined(network, second, &group) && joined(network, third, &group));
        let mut tasks = Vec::new();
        for round in 0..4 {
            for user in users {
                let text = format!("{round} of {user}");
                tasks.push((user, network.clients[user].send(&group, text.as_bytes())));
                if round == 2 {
                    tasks.push((user, network.clients[user].update(&group)));
                }
            }
        }
        for (user, task) in tasks {
            network.finish(user, task).unwrap();
        }
        network.settle(|network| users.iter().all(|user| network.messages(*user, &group).len() == 12));
        assert!(network.lost > 20);
        assert_agreement(&network, &users, &group);
        for user in users {
            assert_eq!(network.messages(user, &group), network.messages(first, &group));
        }
    }
}

#[test]
fn a_homeserver_that_is_down_holds_up_no_one_else_and_catches_up() {
    let mut network = Network::new(7, &["one.example", "two.example"]);
    let (users, group) = group_of_three(&mut network);
    let [first, second, third] = users;

    network.world.down = ["two.example".parse().unwrap()].into();
    for text in [b"one", b"two"] {
        let task = network.clients[first].send(&group, text);
        network.finish(first, task).unwrap();
    }
    let task = network.clients[first].update(&group);
    network.finish(first, task).unwrap();
    let task = network.clients[second].read_queues();
    network.finish(second, task).unwrap();
    assert_eq!(network.messages(second, &group).len(), 2);

    // Down for longer than a request is valid: reading fails, visibly.
    let reading = network.clients[third].read_queues();
    assert!(network.finish(third, reading).is_err());
    network.world.down.clear();
    network.settle(|network| network.messages(third, &group).len() == 2);
    network.settle(|network| {
        let view = network.clients[third].groups().into_iter().find(|view| view.group_id == group);
        view.is_some_and(|view| view.epoch == 2)
    });
    assert_agreement(&network, &users, &group);
}

#[test]
fn the_same_seed_gives_the_same_requests() {
    let now = network::system_time();
    let traces = [8, 8, 9].map(|seed| {
        let mut network = Network::starting(now, seed, &["one.example", "two.example"]);
        network.loss = 10;
        let users = three_users(&mut network);
        connect(&mut network, users);
        let group = create_group(&mut network, users[0]);
        let invited = [network.user(users[1]), network.user(users[2])];
        let task = network.clients[users[0]].invite(&group, &invited);
        network.finish(users[0], task).unwrap();
        network.settle(|network| joined(network, users[1], &group) && joined(network, users[2], &group));
        network.trace
    });
    assert_eq!(traces[0], traces[1]);
    assert_ne!(traces[0], traces[2]);
}

#[test]
fn who_does_not_accept_by_itself_is_asked() {
    let mut network = Network::new(10, &["one.example", "two.example"]);
    let first = network.client("one.example", |_| {});
    let second = network.client("two.example", |config| config.auto_accept = false);
    for user in [first, second] {
        let task = network.clients[user].register(b"a password");
        network.finish(user, task).unwrap();
    }
    let (asker, asked) = (network.user(first), network.user(second));
    let task = network.clients[first].connect(asked.clone());
    network.finish(first, task).unwrap();
    network.settle(|network| network.events[second].contains(&Event::ConnectionRequested(asker.clone())));
    assert!(network.clients[first].contacts().is_empty());
    let task = network.clients[second].accept(asker);
    network.finish(second, task).unwrap();
    network.settle(|network| network.events[first].contains(&Event::Connected(asked.clone())));
    network.assert_untroubled();
}

#[test]
fn a_declined_request_is_gone() {
    let mut network = Network::new(14, &["one.example", "two.example"]);
    let first = network.client("one.example", |_| {});
    let second = network.client("two.example", |config| config.auto_accept = false);
    for user in [first, second] {
        network.insist(user, |client| client.register(b"a password")).unwrap();
    }
    let (asker, asked) = (network.user(first), network.user(second));
    network.insist(first, |client| client.connect(asked.clone())).unwrap();
    network.settle(|network| network.events[second].contains(&Event::ConnectionRequested(asker.clone())));
    assert!(network.clients[second].decline(&asker));
    assert!(!network.clients[second].decline(&asker), "there is none any more");
    let accepted = network.insist(second, |client| client.accept(asker.clone()));
    assert_eq!(accepted, Err(ClientError::NotAContact(asker)));
    assert!(network.clients[second].contacts().is_empty());
}

#[test]
fn what_cannot_be_done_says_so() {
    let mut network = Network::new(11, &["one.example", "two.example"]);
    let users = three_users(&mut network);
    let group = create_group(&mut network, users[0]);
    let stranger = network.user(users[2]);
    let task = network.clients[users[0]].invite(&group, std::slice::from_ref(&stranger));
    assert_eq!(network.finish(users[0], task), Err(ClientError::NotAContact(stranger)));
    let task = network.clients[users[1]].send(&group, b"from outside");
    assert_eq!(network.finish(users[1], task), Err(ClientError::UnknownGroup));
    connect(&mut network, users);
    let contact = network.user(users[1]);
    for expected in [Ok(()), Err(ClientError::AlreadyMember(contact.clone()))] {
        let task = network.clients[users[0]].invite(&group, std::slice::from_ref(&contact));
        assert_eq!(network.finish(users[0], task), expected);
    }
    // Only admins invite, and the delivery service knows who they are.
    network.settle(|network| joined(network, users[1], &group));
    let creator = network.user(users[0]);
    let task = network.clients[users[1]].invite(&group, std::slice::from_ref(&creator));
    assert_eq!(network.finish(users[1], task), Err(ClientError::AlreadyMember(creator)));
}

/// No answer comes for as long as a request is valid, so its outcome is known only afterwards.
#[test]
fn an_unknown_outcome_is_found_out_and_nothing_is_done_twice() {
    for outage in [Outage::Requests, Outage::Answers] {
        let mut network = Network::new(12, &["one.example", "two.example"]);
        let (users, group) = group_of_three(&mut network);
        let [first, second, third] = users;

        network.outage = Some(outage);
        let message = network.clients[first].send(&group, b"perhaps");
        let commit = network.clients[third].update(&group);
        assert!(matches!(network.finish(third, commit), Err(ClientError::Unanswered { .. })));
        network.outage = None;
        network.finish(first, message).unwrap();
        for user in [third, first, second] {
            let task = network.clients[user].send(&group, b"certainly");
            network.finish(user, task).unwrap();
        }
        network.settle(|network| users.iter().all(|user| network.messages(*user, &group).len() == 4));
        assert_agreement(&network, &users, &group);
        let view = network.clients[first].groups().into_iter().find(|view| view.group_id == group);
        assert_eq!(view.map(|view| view.epoch), Some(2));
        for user in users {
            assert_eq!(network.messages(user, &group), network.messages(first, &group));
        }
    }
}

#[test]
fn who_has_a_queue_can_listen_to_it() {
    let mut network = Network::new(13, &["one.example", "two.example"]);
    let [home, away] = ["one.example", "two.example"].map(|domain| domain.parse::<Domain>().unwrap());
    let user = network.client("one.example", |_| {});
    assert_eq!(network.clients[user].listen(), None, "there is no queue yet");
    let task = network.clients[user].register(b"a password");
    network.finish(user, task).unwrap();

    let listen = |network: &mut Network, domain: &Domain| {
        let request = network.clients[user].listen().unwrap();
        ResponseEnvelope::read::<Done>(&network.ask(domain, &request).unwrap()).unwrap()
    };
    assert_eq!(listen(&mut network, &home), Ok(Done));
    let client = network.clients[user].qs_client().unwrap();
    assert_eq!(network.listening, [client]);
    assert_eq!(listen(&mut network, &away), Err(Refusal::WrongHomeserver));

    // The client does not know yet how late it is.
    network.world.now = network.world.now + DAY;
    assert_eq!(listen(&mut network, &home), Err(Refusal::OutsideTimeWindow { now: network.world.now }));
    assert_eq!(network.listening, [client]);
    assert_eq!(network.clients[user].poll(network.world.now), None);
    assert_eq!(listen(&mut network, &home), Ok(Done));
    assert_eq!(network.listening, [client, client]);
}

#[test]
fn clients_move_between_threads() {
    fn assert_send<T: Send>() {}
    assert_send::<Client>();
}

/// The same conversations and the same lies, without real cryptography: as in large simulations.
#[cfg(feature = "null-cryptography")]
#[test]
fn the_null_provider_changes_no_outcome() {
    let _null = crate::crypto::null::NullCryptography::switch_on();
    from_registration_to_messages_across_homeservers();
    commits_and_messages_of_all_at_once();
    dishonest::a_connection_package_that_is_not_the_users_own_is_refused();
    dishonest::a_key_package_that_is_not_the_contacts_own_is_not_added();
    dishonest::an_invitation_that_is_not_the_contacts_own_is_declined();
    dishonest::a_request_for_a_connection_that_is_not_the_users_own_is_declined();
}
