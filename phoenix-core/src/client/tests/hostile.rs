//! PROTOCOL.md §11.15 — restarts, cancellations, old copies and refusals at bad moments.

use std::{collections::BTreeMap, time::Duration};

use super::{assert_agreement, connect, create_group, group_of_three, network::Network, three_users};
use crate::{
    client::{Client, ClientError, Event, IntentView, Intention, Output},
    error::Refusal,
    identifiers::GroupId,
    time::{DAY, Timestamp},
    wire::{
        envelope::{RequestEnvelope, ResponseEnvelope},
        operations::OperationKind,
    },
};

/// The second of three users is being invited to a group of the first, and waits for the group's tree, which does
/// not come as long as the network is dishonest.
fn waiting_to_join(seed: u8, texts: &[&[u8]]) -> (Network, [usize; 3], GroupId) {
    let mut network = Network::new(seed, &["one.example", "two.example"]);
    let users = three_users(&mut network);
    connect(&mut network, users);
    let [first, second, _] = users;
    let group = create_group(&mut network, first);
    network.withhold(OperationKind::WelcomeInfo);
    let invited = [network.user(second)];
    network.insist(first, |client| client.invite(&group, &invited)).unwrap();
    for text in texts {
        network.insist(first, |client| client.send(&group, text)).unwrap();
    }
    for _ in 0..10 {
        network.insist(second, Client::read_queues).unwrap();
        network.pass(1000);
    }
    (network, users, group)
}

fn under_way(network: &Network, client: usize, what: Intention) -> IntentView {
    let mut all = network.clients[client].under_way().into_iter();
    all.find(|view| view.what == what).unwrap()
}

/// Its queue is empty, so that every reading shows again that another copy has read it.
#[test]
fn an_old_copy_says_so_once_and_goes_on_in_new_groups() {
    let mut network = Network::new(61, &["one.example", "two.example"]);
    let (users, group) = group_of_three(&mut network);
    let [first, second, _] = users;
    let old = network.stores[second].clone();
    for text in [b"a".as_slice(), b"b"] {
        network.insist(first, |client| client.send(&group, text)).unwrap();
    }
    network.settle(|network| network.messages(second, &group).len() == 2);
    network.settle(|_| true);
    network.restore(second, old);
    network.insist(second, Client::create_group).unwrap();
    let fresh = network.events[second]
        .iter()
        .rev()
        .find_map(|event| match event {
            Event::GroupCreated { group, .. } => Some(group.clone()),
            _ => None,
        })
        .unwrap();
    for _ in 0..5 {
        network.insist(second, Client::read_queues).unwrap();
    }
    let said = network.events[second].iter().filter(|event| **event == Event::OldCopy).count();
    let sent = network.insist(second, |client| client.send(&fresh, b"in a new group"));
    assert_eq!((said, sent), (1, Ok(())));
}

/// Else another invitation would go into the inbox that is left, and be followed by no one.
#[test]
fn a_cancelled_join_leaves_nothing_behind() {
    let (mut network, [_, second, _], group) = waiting_to_join(62, &[]);
    let join = under_way(&network, second, Intention::Join);
    assert!(network.clients[second].cancel(join.id));
    network.dishonest = None;
    network.pass(1000);
    assert!(!network.clients[second].state.is_known(&group), "the inbox of a cancelled join is still there");
}

/// With a delivery behind the Welcome, which no one follows.
#[test]
fn a_message_to_a_group_whose_join_was_cancelled_is_refused() {
    let (mut network, [_, second, _], group) = waiting_to_join(62, &[b"behind the Welcome"]);
    let join = under_way(&network, second, Intention::Join);
    assert!(network.clients[second].cancel(join.id));
    network.pass(1000);
    let sent = network.insist(second, |client| client.send(&group, b"hello"));
    assert_eq!(sent, Err(ClientError::UnknownGroup));
}

/// The message is begun before the restored client has read the Welcome and the delivery behind it.
#[test]
fn a_message_to_a_group_that_is_being_joined_is_refused_or_sent() {
    let mut network = Network::new(63, &["one.example", "two.example"]);
    let users = three_users(&mut network);
    connect(&mut network, users);
    let [first, second, _] = users;
    let group = create_group(&mut network, first);
    let invited = [network.user(second)];
    network.insist(first, |client| client.invite(&group, &invited)).unwrap();
    network.insist(first, |client| client.send(&group, b"behind the Welcome")).unwrap();
    network.restart(second);
    // The application sends before the restored client has caught up.
    let sent = network.insist(second, |client| client.send(&group, b"hello"));
    assert!(matches!(sent, Ok(()) | Err(ClientError::UnknownGroup)), "{sent:?}");
}

/// Each operation on a group sends the commit whose outcome is unknown once more.
#[test]
fn a_commit_can_be_carried_by_any_number_of_requests() {
    let mut network = Network::new(64, &["one.example", "two.example"]);
    let (users, group) = group_of_three(&mut network);
    let first = users[0];
    network.outage = Some(super::Outage::Requests);
    for _ in 0..65 {
        let update = network.clients[first].update(&group);
        network.pass(200);
        network.clients[first].cancel(update);
    }
    network.outage = None;
    network.pass(1000);
    let once = network.insist(first, |client| client.update(&group));
    network.settle(|_| true);
    let twice = network.insist(first, |client| client.send(&group, b"text"));
    assert_eq!((once, twice), (Ok(()), Ok(())));
}

/// The keys of the published connection packages are those that the client holds: others can connect.
#[test]
fn registering_twice_at_once_makes_one_account() {
    let mut network = Network::new(65, &["one.example", "two.example"]);
    let one = network.client("one.example", |_| {});
    let two = network.client("one.example", |_| {});
    network.insist(one, |client| client.register(b"a password")).unwrap();
    let first = network.clients[two].register(b"a password");
    // the application is started again, and asks again
    let second = network.clients[two].register(b"a password");
    let ends = (network.finish(two, first), network.finish(two, second));
    let user = network.user(two);
    network.insist(one, |client| client.connect(user.clone())).unwrap();
    for _ in 0..10 {
        for client in [one, two] {
            network.insist(client, Client::read_queues).unwrap();
        }
        network.pass(2000);
    }
    assert_eq!(network.clients[one].contacts().len(), 1, "{ends:?}");
}

/// The first copy was ordered; the second was refused, and cancelled while the client caught up.
#[test]
fn a_copy_of_a_cancelled_message_that_was_ordered_is_known() {
    let mut network = Network::new(67, &["one.example", "two.example"]);
    let (users, group) = group_of_three(&mut network);
    let [first, _, third] = users;
    network.insist(third, |client| client.stock_tokens(&"one.example".parse().unwrap(), 10)).unwrap();
    network.withhold(OperationKind::SendMessage);
    let sending = network.clients[third].send(&group, b"ordered");
    network.pass(5_000);
    network.world.down = ["two.example".parse().unwrap()].into();
    network.insist(first, |client| client.update(&group)).unwrap();
    network.pass(90 * 60_000);
    network.dishonest = None;
    network.pass(60 * 60_000);
    network.clients[third].cancel(sending);
    network.pass(1_000);
    network.world.down.clear();
    // The homeserver that was down is tried again within an hour.
    network.pass(2 * 3_600_000);
    network.settle(|_| true);
    assert!(!network.events[third].contains(&Event::OldCopy));
    assert_agreement(&network, &users, &group);
}

/// Another member's commit has come first, and is held back.
#[test]
fn while_deliveries_are_held_a_group_is_followed_for_what_is_sent_to_it() {
    let mut network = Network::new(68, &["one.example", "two.example"]);
    let (users, group) = group_of_three(&mut network);
    let [first, second, _] = users;
    network.clients[second].hold_deliveries(true);
    network.insist(first, |client| client.update(&group)).unwrap();
    let before = network.world.now;
    let sent = network.insist(second, |client| client.send(&group, b"text"));
    let took = network.world.now.since(before);
    assert!(sent.is_ok() && took.as_secs() < 60, "{sent:?} after {took:?}");
}

/// The other copy has spent tokens that this one has in stock.
#[test]
fn an_old_copy_spends_no_token_again() {
    let mut network = Network::new(70, &["one.example", "two.example"]);
    let (users, group) = group_of_three(&mut network);
    let [first, second, _] = users;
    network.insist(second, |client| client.stock_tokens(&"one.example".parse().unwrap(), 30)).unwrap();
    let old = network.stores[second].clone();
    network.keep_requests();
    network.insist(first, |client| client.send(&group, b"x")).unwrap();
    for _ in 0..6 {
        network.insist(second, Client::create_group).unwrap();
    }
    network.settle(|_| true);
    network.settle(|_| true);
    network.restore(second, old);
    let made = network.insist(second, Client::create_group);
    assert!(network.events[second].contains(&Event::OldCopy));
    let mut seen = BTreeMap::new();
    let mut twice = 0;
    for request in network.requests_kept() {
        let (_, envelope) = RequestEnvelope::read(request).unwrap();
        let Some(token) = envelope.token else { continue };
        let before = seen.entry(token.nonce).or_insert_with(|| request.clone());
        twice += usize::from(before != request);
    }
    assert_eq!((twice, made), (0, Ok(())));
}

/// The request for the tree is refused after it was repeated for a while.
#[test]
fn a_join_that_fails_late_is_declined() {
    let (mut network, [_, second, _], group) = waiting_to_join(72, &[]);
    network.dishonest = Some(Box::new(|kind, reply| {
        let refused = ResponseEnvelope::refused(&Refusal::NoSuchGroup);
        if kind == OperationKind::WelcomeInfo { refused } else { reply }
    }));
    network.pass(60_000);
    let last: Vec<_> = network.events[second].iter().rev().take(3).collect();
    assert!(network.events[second].iter().any(|event| matches!(event, Event::Declined { .. })), "{last:?}");
    assert!(!network.clients[second].state.is_known(&group));
}

/// Nothing else goes on before it has read its queue.
#[test]
fn a_restored_client_whose_reading_is_refused_tries_again() {
    let mut network = Network::new(73, &["one.example", "two.example"]);
    let (users, group) = group_of_three(&mut network);
    let first = users[0];
    network.dishonest = Some(Box::new(|kind, reply| {
        if kind == OperationKind::Dequeue {
            ResponseEnvelope::refused(&Refusal::Unauthenticated)
        } else {
            reply
        }
    }));
    network.restart(first);
    let sending = network.clients[first].send(&group, b"text");
    network.pass(10_000);
    network.dishonest = None;
    network.pass(24 * 3_600_000);
    assert!(
        network.done[first].contains_key(&sending),
        "{:?} {:?}",
        network.clients[first].under_way(),
        network.clients[first].next_wake()
    );
}

/// The receipt that gives an old copy away is held back.
#[test]
fn an_old_copy_that_holds_deliveries_is_found_out_all_the_same() {
    let mut network = Network::new(75, &["one.example", "two.example"]);
    let (users, group) = group_of_three(&mut network);
    let second = users[1];
    let old = network.stores[second].clone();
    network.insist(second, |client| client.send(&group, b"sent since")).unwrap();
    network.restore(second, old);
    network.clients[second].hold_deliveries(true);
    assert_eq!(
        network.insist(second, |client| client.send(&group, b"used keys")),
        Err(ClientError::NeedsResync)
    );
}

/// Neither its inbox nor its MLS state.
#[test]
fn a_cancelled_acceptance_leaves_nothing_behind() {
    let mut network = Network::new(76, &["one.example", "two.example"]);
    let users = ["one.example", "two.example"].map(|domain| network.client(domain, |_| {}));
    for user in users {
        network.insist(user, |client| client.register(b"a password")).unwrap();
    }
    network.withhold(OperationKind::JoinConnectionGroup);
    let asked = network.user(users[1]);
    network.insist(users[0], |client| client.connect(asked.clone())).unwrap();
    let reading = network.clients[users[1]].read_queues();
    network.finish(users[1], reading).unwrap();
    network.pass(20_000);
    let view = network.clients[users[1]]
        .under_way()
        .into_iter()
        .find(|view| view.what == Intention::AnswerRequest)
        .unwrap();
    network.clients[users[1]].cancel(view.id);
    let group = view.group.unwrap();
    let state = &network.clients[users[1]].state;
    assert_eq!((state.is_known(&group), state.mls(&group).is_ok()), (false, false));
}

/// Answers all requests of a client with a refusal of its time, for this many seconds. Returns how many requests
/// it makes.
fn refuse_times(client: &mut Client, from: Timestamp, seconds: u64) -> usize {
    let mut requests = 0;
    for second in 0..seconds {
        let now = from + Duration::from_secs(second);
        while let Some(output) = client.poll(now) {
            match output {
                Output::Save(save) => client.saved(save.id, Ok(())),
                Output::Request(exchange) => {
                    requests += 1;
                    assert!(requests < 1_000, "requests without a pause");
                    let refused = ResponseEnvelope::refused(&Refusal::OutsideTimeWindow { now });
                    client.respond(exchange.id, Ok(refused), now);
                }
                Output::Event(id, _) => client.confirm(id),
                Output::Stopped => panic!("no save fails here"),
            }
        }
    }
    requests
}

/// An earlier copy may have been in time, so the message is signed anew.
#[test]
fn a_wrong_clock_costs_a_pause_between_any_two_requests() {
    let mut network = Network::new(77, &["one.example", "two.example"]);
    let (users, group) = group_of_three(&mut network);
    let first = users[0];
    network.insist(first, |client| client.stock_tokens(&"one.example".parse().unwrap(), 10)).unwrap();
    network.outage = Some(super::Outage::Answers);
    network.clients[first].send(&group, b"text");
    network.pass(5_000);
    let requests = refuse_times(&mut network.clients[first], network.world.now, 120);
    assert!((2..20).contains(&requests), "{requests} requests in 120 s");
}

/// The first reading after the restart is lost, so that it may have been in time.
#[test]
fn a_wrong_clock_costs_a_restored_client_pauses_too() {
    let mut network = Network::new(78, &["one.example", "two.example"]);
    let (users, _) = group_of_three(&mut network);
    let first = users[0];
    network.restart(first);
    network.outage = Some(super::Outage::Requests);
    network.pass(1_000);
    let requests = refuse_times(&mut network.clients[first], network.world.now, 120);
    assert!((2..20).contains(&requests), "{requests} requests in 120 s");
}

/// The registration was finished, and given up before the answer came.
#[test]
fn a_registration_that_was_given_up_too_late_is_found_again() {
    let mut network = Network::new(79, &["one.example"]);
    let user = network.client("one.example", |_| {});
    network.withhold(OperationKind::FinishRegistration);
    let given_up = network.clients[user].register(b"a password");
    network.pass(5_000);
    network.clients[user].cancel(given_up);
    assert_eq!(network.finish(user, given_up), Err(ClientError::Cancelled));
    network.dishonest = None;
    network.insist(user, |client| client.register(b"a password")).unwrap();
    assert!(network.clients[user].is_registered());
}

/// The requester's delivery service never answers.
#[test]
fn an_acceptance_is_given_up_in_the_end() {
    let mut network = Network::new(80, &["one.example", "two.example"]);
    let users = three_users(&mut network);
    let [first, _, third] = users;
    network.withhold(OperationKind::ExternalCommitInfo);
    let asked = network.user(third);
    network.insist(first, |client| client.connect(asked.clone())).unwrap();
    network.insist(third, Client::read_queues).unwrap();
    network.pass(60_000);
    under_way(&network, third, Intention::AnswerRequest);
    network.world.now = network.world.now + 31 * DAY;
    network.pass(60_000);
    assert!(network.events[third].iter().any(|event| matches!(event, Event::Declined { .. })));
    assert!(network.clients[third].is_idle());
}
