//! PROTOCOL.md §11.8, §11.12 — what becomes of a group whose homeserver's store was restored from a backup.

use super::{super::Event, Network, connect, create_group, group_of_three, joined, three_users};
use crate::{
    client::ClientError,
    identifiers::{Domain, GroupId},
    wire::{fan_out::GapReason, operations::OperationKind},
};

fn one() -> Domain {
    "one.example".parse().unwrap()
}

/// Sends a text and returns the position that it has.
fn send(network: &mut Network, user: usize, group: &GroupId, text: &[u8]) -> u64 {
    let task = network.clients[user].send(group, text);
    network.finish(user, task).unwrap();
    let position = network.events[user].iter().rev().find_map(|event| match event {
        Event::MessageAcknowledged { intent, position, .. } if *intent == task => Some(*position),
        _ => None,
    });
    position.unwrap()
}

/// Returns the texts that a user has seen since the fourth, in their order.
fn texts(network: &Network, user: usize) -> Vec<Vec<u8>> {
    let texts = network.events[user].iter().filter_map(|event| match event {
        Event::Message { text, .. } | Event::MessageAcknowledged { text, .. } => Some(text.clone()),
        _ => None,
    });
    texts.skip(3).collect()
}

/// Has all read their queues: what restored queues have they drop once their owners read them.
fn read_all(network: &mut Network, users: [usize; 3]) {
    for user in users {
        let task = network.clients[user].read_queues();
        network.finish(user, task).unwrap();
    }
}

#[test]
fn messages_at_positions_that_are_given_once_more_are_read() {
    let mut network = Network::new(31, &["one.example", "two.example"]);
    let (users, group) = group_of_three(&mut network);
    let backup = network.world.store(&one()).clone();
    let lost: Vec<_> = [b"1", b"2", b"3"].map(|text| send(&mut network, users[0], &group, text)).into();
    network.settle(|network| users.iter().all(|user| network.messages(*user, &group).len() == 3));

    *network.world.store_mut(&one()) = backup;
    read_all(&mut network, users);
    let again: Vec<_> = [b"4", b"5"].map(|text| send(&mut network, users[0], &group, text)).into();
    assert_eq!(again, lost[..2], "their positions are given once more");
    network.settle(|network| users.iter().all(|user| texts(network, *user).contains(&b"5".to_vec())));
    assert_eq!(texts(&network, users[1]), [b"4", b"5"]);
    // The stream to the other homeserver had to begin anew with the first message, which is lost for it.
    assert_eq!(texts(&network, users[2]), [b"5"]);
    let gap = Event::Gap { group: group.clone(), position: again[0], reason: GapReason::Dropped };
    assert!(network.events[users[2]].contains(&gap));
    // The others are as they were, beyond the positions that were given before.
    let next: Vec<_> = [b"6", b"7"].map(|text| send(&mut network, users[1], &group, text)).into();
    assert_eq!(next, [lost[2], lost[2] + 1]);
    network.settle(|network| texts(network, users[0]).len() == 4);
    assert!([true, true, false] == users.map(|user| is_healthy(&network, user, &group)));
}

fn is_healthy(network: &Network, user: usize, group: &GroupId) -> bool {
    network.clients[user].groups().iter().any(|view| view.group_id == *group && view.healthy)
}

#[test]
fn a_commit_at_a_position_that_is_given_once_more_is_followed() {
    let mut network = Network::new(32, &["one.example", "two.example"]);
    let (users, group) = group_of_three(&mut network);
    let backup = network.world.store(&one()).clone();
    for text in [b"1", b"2", b"3"] {
        send(&mut network, users[0], &group, text);
    }
    network.settle(|network| users.iter().all(|user| network.messages(*user, &group).len() == 3));

    *network.world.store_mut(&one()) = backup;
    read_all(&mut network, users);
    let task = network.clients[users[1]].update(&group);
    network.finish(users[1], task).unwrap();
    let epoch = |network: &Network, user: usize| {
        let groups = network.clients[user].groups();
        groups.into_iter().find(|view| view.group_id == group).unwrap().epoch_authenticator
    };
    network.settle(|network| epoch(network, users[0]) == epoch(network, users[1]));
    send(&mut network, users[1], &group, b"4");
    network.settle(|network| network.messages(users[0], &group).len() == 4);
}

#[test]
fn who_is_ahead_of_its_group_is_told_and_sends_no_more() {
    let mut network = Network::new(33, &["one.example", "two.example"]);
    let (users, group) = group_of_three(&mut network);
    let backup = network.world.store(&one()).clone();
    let task = network.clients[users[0]].update(&group);
    network.finish(users[0], task).unwrap();

    *network.world.store_mut(&one()) = backup;
    let before = network.requests(OperationKind::SendMessage);
    for _ in 0..2 {
        let task = network.clients[users[0]].send(&group, b"never");
        assert_eq!(network.finish(users[0], task), Err(ClientError::NeedsResync));
    }
    assert_eq!(network.requests(OperationKind::SendMessage), before + 1);
    let told = network.events[users[0]]
        .iter()
        .filter(|event| matches!(event, Event::CommitUnprocessable { group: of, .. } if *of == group));
    assert_eq!(told.count(), 1);
    // Its other groups are as good as before.
    let other = create_group(&mut network, users[0]);
    send(&mut network, users[0], &other, b"still here");
}

/// The commit is lost with the restored queue of one member, at a position that this member has followed before.
#[test]
fn who_has_missed_a_commit_is_told_by_the_next_message() {
    let mut network = Network::new(34, &["one.example", "two.example"]);
    let (users, group) = group_of_three(&mut network);
    let backup = network.world.store(&one()).clone();
    for text in [b"1", b"2", b"3"] {
        send(&mut network, users[0], &group, text);
    }
    network.settle(|network| users.iter().all(|user| network.messages(*user, &group).len() == 3));

    *network.world.store_mut(&one()) = backup;
    let task = network.clients[users[0]].update(&group);
    network.finish(users[0], task).unwrap();
    read_all(&mut network, users);
    assert!(is_healthy(&network, users[1], &group), "nothing tells it yet");
    send(&mut network, users[0], &group, b"4");
    network.settle(|network| !is_healthy(network, users[1], &group));
    let is_told =
        |event: &Event| matches!(event, Event::CommitUnprocessable { group: of, .. } if *of == group);
    assert!(network.events[users[1]].iter().any(is_told), "{:?}", network.events[users[1]]);
}

/// What the restored homeserver would hand out again is used up.
#[test]
fn key_packages_are_published_anew_after_a_restoration() {
    let mut network = Network::new(35, &["one.example", "two.example"]);
    let users = three_users(&mut network);
    connect(&mut network, users);
    let two: Domain = "two.example".parse().unwrap();
    let backup = network.world.store(&two).clone();
    let invited = [network.user(users[2])];
    let invite = |network: &mut Network| {
        let group = create_group(network, users[0]);
        network.insist(users[0], |client| client.invite(&group, &invited)).unwrap();
        network.settle(|network| joined(network, users[2], &group));
    };
    invite(&mut network);
    *network.world.store_mut(&two) = backup;
    read_all(&mut network, users);
    assert!(network.events[users[2]].contains(&Event::QueueRestored { direct: false }));
    invite(&mut network);
}
