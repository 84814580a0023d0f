//! PROTOCOL.md §11.15 — clients that are killed at any step, and restored from what they have saved.

use super::{assert_agreement, connect, create_group, group_of_three, joined, network::Network, three_users};
use crate::{
    client::{Client, ClientError, Event, Intention},
    identifiers::GroupId,
    wire::operations::OperationKind,
};

fn texts(network: &Network, user: usize, group: &GroupId) -> Vec<Vec<u8>> {
    network.messages(user, group).into_iter().map(|(_, text)| text).collect()
}

#[test]
fn clients_killed_at_every_step_lose_nothing_and_repeat_nothing() {
    let mut killed = 0;
    for seed in 30..36 {
        let mut network = Network::new(seed, &["one.example", "two.example"]);
        network.crashes = 8;
        network.loss = if seed % 2 == 0 { 10 } else { 0 };
        let (users, group) = group_of_three(&mut network);
        for round in 0..4 {
            for user in users {
                let text = format!("{round} of {user}").into_bytes();
                network.insist(user, |client| client.send(&group, &text)).unwrap();
                if round == 2 {
                    network.insist(user, |client| client.update(&group)).unwrap();
                }
            }
        }
        network.crashes = 0;
        network.settle(|network| users.iter().all(|user| network.messages(*user, &group).len() >= 12));
        assert_agreement(&network, &users, &group);
        for user in users {
            let mut seen = texts(&network, user, &group);
            assert_eq!(network.messages(user, &group), network.messages(users[0], &group));
            seen.sort();
            let mut sent: Vec<_> = (0..4)
                .flat_map(|round| users.map(|user| format!("{round} of {user}").into_bytes()))
                .collect();
            sent.sort();
            assert_eq!(seen, sent);
        }
        killed += network.crashed;
    }
    assert!(killed > 200, "{killed} kills");
}

#[test]
fn what_was_under_way_goes_on_after_a_restart() {
    let mut network = Network::new(40, &["one.example", "two.example"]);
    let (users, group) = group_of_three(&mut network);
    let [first, ..] = users;
    network.world.down = ["one.example".parse().unwrap()].into();
    let sending = network.clients[first].send(&group, b"sent while the homeserver is down");
    network.pass(60_000);
    let view = network.clients[first].under_way().into_iter().find(|view| view.id == sending).unwrap();
    assert_eq!((view.awaits, view.failures > 2), (Some("one.example".parse().unwrap()), true));
    network.restart(first);
    assert!(network.clients[first].under_way().iter().any(|view| view.id == sending));
    network.pass(60_000);
    network.world.down.clear();
    network.finish(first, sending).unwrap();
    network.settle(|network| network.messages(users[2], &group).len() == 1);
    assert_agreement(&network, &users, &group);
}

/// The window is over while the homeserver is down, in all of what may have happened to the first copy.
#[test]
fn past_the_window_the_same_ciphertext_is_sent_and_read_once() {
    for outage in [super::Outage::Requests, super::Outage::Answers] {
        let mut network = Network::new(41, &["one.example", "two.example"]);
        let (users, group) = group_of_three(&mut network);
        network.outage = Some(outage);
        let sending = network.clients[users[2]].send(&group, b"once");
        network.pass(2 * 3_600_000);
        network.restart(users[2]);
        network.pass(2 * 3_600_000);
        network.outage = None;
        network.finish(users[2], sending).unwrap();
        network.settle(|network| users.iter().all(|user| !texts(network, *user, &group).is_empty()));
        network.pass(10_000);
        network.settle(|_| true);
        for user in users {
            assert_eq!(texts(&network, user, &group), [b"once"]);
        }
        assert_agreement(&network, &users, &group);
    }
}

#[test]
fn a_cancelled_message_that_was_ordered_is_acknowledged_still() {
    let mut network = Network::new(42, &["one.example", "two.example"]);
    let (users, group) = group_of_three(&mut network);
    let [first, second, _] = users;
    let home = network.user(first).domain;
    network.insist(first, |client| client.stock_tokens(&home, 10)).unwrap();
    network.outage = Some(super::Outage::Answers);
    let sending = network.clients[first].send(&group, b"ordered");
    network.pass(5_000);
    assert!(network.clients[first].cancel(sending));
    assert_eq!(network.finish(first, sending), Err(ClientError::Cancelled));
    assert!(!network.clients[first].cancel(sending), "it has ended");
    network.outage = Some(super::Outage::Requests);
    let never = network.clients[first].send(&group, b"never ordered");
    network.pass(5_000);
    network.clients[first].cancel(never);
    assert_eq!(network.finish(first, never), Err(ClientError::Cancelled));
    network.outage = None;
    network.restart(first);
    network.settle(|network| network.messages(second, &group).len() == 1);
    assert_eq!(texts(&network, second, &group), [b"ordered"]);
    assert_eq!(texts(&network, first, &group), [b"ordered"]);
    network.insist(first, |client| client.send(&group, b"next")).unwrap();
    network.settle(|network| network.messages(second, &group).len() == 2);
    for user in users {
        assert_eq!(texts(&network, user, &group), [b"ordered".to_vec(), b"next".to_vec()]);
    }
    assert_agreement(&network, &users, &group);
}

#[test]
fn an_old_copy_says_so_and_sends_nothing() {
    let mut network = Network::new(43, &["one.example", "two.example"]);
    let (users, group) = group_of_three(&mut network);
    let [first, second, third] = users;
    network.insist(first, |client| client.send(&group, b"before")).unwrap();
    network.settle(|network| network.messages(third, &group).len() == 1);
    let old = network.stores[second].clone();
    for text in [b"sent and read since".as_slice(), b"another"] {
        network.insist(second, |client| client.send(&group, text)).unwrap();
        network.insist(first, |client| client.send(&group, text)).unwrap();
    }
    network.settle(|network| network.messages(second, &group).len() == 5);
    assert_agreement(&network, &users, &group);

    network.restore(second, old);
    assert_eq!(
        network.insist(second, |client| client.send(&group, b"with used keys")),
        Err(ClientError::NeedsResync)
    );
    assert!(network.events[second].contains(&Event::OldCopy));
    // The others go on, and the old copy reads what comes.
    network.insist(first, |client| client.send(&group, b"after")).unwrap();
    network.settle(|network| texts(network, second, &group).contains(&b"after".to_vec()));
    assert_eq!(texts(&network, third, &group), texts(&network, first, &group));
    assert!(!texts(&network, third, &group).contains(&b"with used keys".to_vec()));
    // What has nothing to do with the keys that are used goes on.
    network.insist(second, Client::create_group).unwrap();
}

/// Nothing was read since the copy was made, but sent: the receipt in the queue says so.
#[test]
fn an_old_copy_is_known_by_a_receipt_that_it_cannot_explain() {
    let mut network = Network::new(44, &["one.example", "two.example"]);
    let (users, group) = group_of_three(&mut network);
    let second = users[1];
    let old = network.stores[second].clone();
    let read = network.clients[second].entries_read();
    network.insist(second, |client| client.send(&group, b"sent since")).unwrap();
    assert_eq!(network.clients[second].entries_read(), read);
    network.restore(second, old);
    assert_eq!(
        network.insist(second, |client| client.send(&group, b"with used keys")),
        Err(ClientError::NeedsResync)
    );
    assert!(network.events[second].contains(&Event::OldCopy));
}

/// The copy was made while its client was on the way into a group, which it has entered since.
#[test]
fn an_old_copy_enters_no_group_that_another_may_have_entered() {
    let mut network = Network::new(45, &["one.example", "two.example"]);
    let users = three_users(&mut network);
    connect(&mut network, users);
    let [first, _, third] = users;
    let group = create_group(&mut network, first);
    let invited = [network.user(third)];
    network.insist(first, |client| client.invite(&group, &invited)).unwrap();
    network.pass(5_000);
    network.world.down = ["one.example".parse().unwrap()].into();
    network.insist(third, Client::read_queues).unwrap();
    network.pass(1_000);
    let is_joining = |network: &Network| {
        let under_way = network.clients[third].under_way();
        under_way.iter().any(|view| view.what == Intention::Join && view.group.as_ref() == Some(&group))
    };
    assert!(is_joining(&network));
    let old = network.stores[third].clone();
    network.world.down.clear();
    network.settle(|network| joined(network, third, &group));
    network.insist(third, |client| client.send(&group, b"sent since")).unwrap();
    network.insist(first, |client| client.send(&group, b"read since")).unwrap();
    network.settle(|network| network.messages(third, &group).len() == 2);
    assert_eq!(texts(&network, first, &group), [b"sent since".as_slice(), b"read since"]);
    // The next reading acknowledges what was read.
    network.insist(third, Client::read_queues).unwrap();

    network.restore(third, old);
    network.settle(|network| !is_joining(network));
    let declined = Event::Declined { group: group.clone(), reason: ClientError::NeedsResync };
    assert!(network.events[third].contains(&declined));
    let sent = network.insist(third, |client| client.send(&group, b"with used keys"));
    assert_eq!(sent, Err(ClientError::UnknownGroup));
    // It is said once, however often the queues are read.
    network.settle(|_| true);
    assert_eq!(network.events[third].iter().filter(|event| **event == Event::OldCopy).count(), 1);
}

/// The copy was made while a connection was requested, which has been made since: it waits for it no more.
#[test]
fn an_old_copy_declines_who_has_become_a_contact_since() {
    let mut network = Network::new(46, &["one.example", "two.example"]);
    let [first, _, third] = three_users(&mut network);
    let asked = network.user(third);
    network.insist(first, |client| client.connect(asked.clone())).unwrap();
    network.insist(first, Client::read_queues).unwrap();
    let old = network.stores[first].clone();
    network.settle(|network| network.clients[first].contacts().len() == 1);
    // The next reading acknowledges what was read.
    network.insist(first, Client::read_queues).unwrap();

    network.restore(first, old);
    network.settle(|network| network.events[first].contains(&Event::OldCopy));
    let group = create_group(&mut network, third);
    let invited = [network.user(first)];
    network.insist(third, |client| client.invite(&group, &invited)).unwrap();
    let declined = Event::Declined { group, reason: ClientError::NotAContact(asked) };
    network.insist(first, Client::read_queues).unwrap();
    network.pass(5_000);
    network.insist(first, Client::read_queues).unwrap();
    network.pass(5_000);
    assert!(network.events[first].contains(&declined));
}

/// The copy was made while a message was under way, which another copy has sent since.
#[test]
fn an_old_copy_does_not_send_again_what_another_has_sent() {
    let mut network = Network::new(47, &["one.example", "two.example"]);
    let (users, group) = group_of_three(&mut network);
    let [first, second, third] = users;
    let home = network.user(second).domain;
    network.insist(second, |client| client.stock_tokens(&home, 10)).unwrap();
    network.outage = Some(super::Outage::Requests);
    let sending = network.clients[second].send(&group, b"under way");
    network.pass(2_000);
    let old = network.stores[second].clone();
    network.outage = None;
    network.finish(second, sending).unwrap();
    network.insist(first, |client| client.send(&group, b"read since")).unwrap();
    network.settle(|network| network.messages(second, &group).len() == 2);
    // The next reading acknowledges what was read.
    network.insist(second, Client::read_queues).unwrap();

    let sent = network.requests(OperationKind::SendMessage);
    network.restore(second, old);
    network.settle(|network| network.events[second].contains(&Event::OldCopy));
    network.pass(60_000);
    assert_eq!(network.requests(OperationKind::SendMessage), sent);
    let given_up = Event::Done { intent: sending, outcome: Err(ClientError::NeedsResync) };
    assert!(network.events[second].contains(&given_up));
    network.settle(|_| true);
    assert_eq!(texts(&network, third, &group).len(), 2);
}
