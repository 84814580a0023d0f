//! PROTOCOL.md §11.6 — clients whose homeserver issues no more tokens for a while.

use super::{Network, group_of_three, three_users};
use crate::{client::Event, time::HOUR};

/// Allows no tokens at all.
fn close(network: &mut Network, name: &str) {
    network.configure(name, |config| {
        config.rates.token_allowance = 0;
        config.rates.domain_first_day = 0;
        config.rates.new_domains = 0;
    });
}

fn pass(network: &mut Network, hours: u64) {
    for _ in 0..hours {
        network.pass(HOUR.as_millis() as u64);
    }
}

/// The request is accepted once there are tokens again: nobody has to ask twice.
#[test]
fn a_connection_request_waits_for_tokens() {
    let mut network = Network::new(93, &["one.example", "two.example"]);
    let [first, _, third] = three_users(&mut network);
    let user = network.user(third);
    network.insist(first, |client| client.connect(user.clone())).unwrap();
    close(&mut network, "one.example");
    network.insist(third, crate::client::Client::read_queues).unwrap();
    pass(&mut network, 5);
    assert_eq!(network.clients[third].contacts(), []);
    network.configure("one.example", |config| config.rates = crate::config::Rates::default());
    network.settle(|network| [first, third].iter().all(|user| network.clients[*user].contacts().len() == 1));
    let declined = |event: &Event| matches!(event, Event::Declined { .. } | Event::BackgroundFailure(_));
    assert!(!network.events[third].iter().any(declined), "{:?}", network.events[third]);
}

/// A message is sent once there are tokens again.
#[test]
fn a_message_waits_for_tokens() {
    let mut network = Network::new(94, &["one.example", "two.example"]);
    let (users, group) = group_of_three(&mut network);
    close(&mut network, "one.example");
    // Until the stock is used up.
    let texts: Vec<Vec<u8>> = (0..60_u8).map(|number| vec![number]).collect();
    let tasks: Vec<_> = texts.iter().map(|text| network.clients[users[2]].send(&group, text)).collect();
    pass(&mut network, 5);
    let waiting = network.clients[users[2]].under_way().len();
    assert!((1..60).contains(&waiting), "{waiting}");
    network.configure("one.example", |config| config.rates = crate::config::Rates::default());
    for task in tasks {
        network.finish(users[2], task).unwrap();
    }
}
