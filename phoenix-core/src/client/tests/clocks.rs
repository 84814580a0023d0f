//! PROTOCOL.md §11.3 — devices whose clocks are wrong, and are set right.

use super::{assert_agreement, group_of_three, network::Network};
use crate::{
    client::Event,
    identifiers::GroupId,
    time::{HOUR, MINUTE},
};

fn milliseconds(time: std::time::Duration) -> i64 {
    time.as_millis() as i64
}

/// Sends a message, and goes on until the others have it.
fn send(network: &mut Network, from: usize, to: &[usize], group: &GroupId, text: &[u8]) {
    network.insist(from, |client| client.send(group, text)).unwrap();
    network.settle(|network| {
        to.iter().all(|to| {
            let is_it = |event: &Event| matches!(event, Event::Message { text: read, .. } if read == text);
            network.events[*to].iter().filter(|event| is_it(event)).count() == 1
        })
    });
}

/// A homeserver says what its clock reads, and that is what the next request to it bears.
#[test]
fn a_clock_that_is_hours_off_costs_one_request_for_each_homeserver() {
    for skew in [milliseconds(10 * HOUR), -milliseconds(HOUR + 30 * MINUTE)] {
        let mut network = Network::new(90, &["one.example", "two.example"]);
        let (users, group) = group_of_three(&mut network);
        network.skews.insert(users[2], skew);
        send(&mut network, users[2], &users[..2], &group, b"from a wrong clock");
        send(&mut network, users[0], &users[1..], &group, b"to a wrong clock");
        assert_agreement(&network, &users, &group);
    }
}

/// While the clock was ahead, times were noted that lie in the future when it is set right.
#[test]
fn a_clock_that_is_set_back_keeps_nothing_waiting() {
    let mut network = Network::new(91, &["one.example", "two.example"]);
    let (users, group) = group_of_three(&mut network);
    network.skews.insert(users[0], milliseconds(10 * HOUR));
    network.outage = Some(super::Outage::Requests);
    let sending = network.clients[users[0]].send(&group, b"sent by a clock that is ahead");
    network.pass(60_000);
    network.skews.clear();
    network.outage = None;
    let begun = network.world.now;
    network.finish(users[0], sending).unwrap();
    assert!(network.world.now - begun < 2 * MINUTE, "{:?}", network.world.now - begun);
    network.settle(|network| users[1..].iter().all(|user| network.events[*user].len() > 3));
    assert_agreement(&network, &users, &group);
}

#[test]
fn no_id_is_given_twice_by_clients_whose_clocks_are_set_back() {
    let mut network = Network::new(92, &["one.example", "two.example"]);
    let (users, group) = group_of_three(&mut network);
    let user = users[0];
    network.restart(user);
    let mut given = Vec::new();
    for hours in [0, -5, -5, 3, -20] {
        network.skews.insert(user, hours * milliseconds(HOUR));
        network.restart(user);
        given.push(network.clients[user].send(&group, b"text"));
        let id = *given.last().unwrap();
        network.finish(user, id).unwrap();
    }
    let ascending: Vec<_> = given.windows(2).map(|pair| pair[0] < pair[1]).collect();
    assert_eq!(ascending, [true; 4], "{given:?}");
}
