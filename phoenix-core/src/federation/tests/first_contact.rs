//! PROTOCOL.md §9, Key distribution — strangers can name any domain: what that may cost, and what stays of it.

use super::{
    scene::{NOW, domain, group},
    sender::{TestSender, deliver, refused},
};
use crate::{
    error::Refusal,
    operation::timers,
    store::RecordKind,
    testing::driver::World,
    time::{DAY, HOUR, MINUTE},
    wire::federation::Frame,
};

const B: &str = "b.example";

/// A frame that names a homeserver as its source.
fn frame(net: &World, source: &str) -> Frame {
    let mut sender = TestSender::new(source, B, 1, 0);
    let entries = sender.entries(&group(source, 1), 0..1, &[]);
    sender.sign(sender.batch(0, entries, net.now))
}

fn net() -> World {
    let mut net = World::of(&["a.example", B, "c.example"]);
    net.install(B, |config, _| {
        config.rates.first_contacts_per_second = 1;
        config.rates.first_contact_burst = 5;
    });
    net
}

#[test]
fn junk_that_names_ever_new_domains_has_us_ask_a_few_of_them_only() {
    let mut net = net();
    let known = frame(&net, "a.example");
    assert_eq!(deliver(&mut net, B, known), Ok(1));
    for number in 0..20 {
        let junk = frame(&net, &format!("junk{number}.example"));
        let refusal = refused(&mut net, B, junk);
        let unavailable = matches!(refusal, Refusal::PeerUnavailable { .. });
        assert!(unavailable || refusal == Refusal::RateLimited { retry_after_milliseconds: 1000 });
    }
    assert_eq!(net.asks.len(), 6, "the burst, all domains together, and the one that goes over it");
    let mut known = TestSender::new("a.example", B, 2, 0);
    let entries = known.entries(&group("a.example", 1), 0..1, &[]);
    let known = known.sign(known.batch(0, entries, NOW));
    assert_eq!(deliver(&mut net, B, known), Ok(1), "who is known is served meanwhile");
    assert_eq!(net.asks.len(), 6);
    net.now = NOW + MINUTE;
    let new = frame(&net, "c.example");
    assert_eq!(deliver(&mut net, B, new), Ok(1), "and later somebody new");
}

#[test]
fn what_was_asked_for_in_vain_leaves_nothing_behind() {
    let mut net = net();
    for number in 0..4 {
        let junk = frame(&net, &format!("junk{number}.example"));
        assert!(matches!(refused(&mut net, B, junk), Refusal::PeerUnavailable { .. }));
    }
    assert_eq!(net.count(B, RecordKind::PeerKeys), 0);
    assert_eq!(net.count(B, RecordKind::FailedFetch), 4);
    net.now = NOW + 2 * HOUR;
    net.timer(&domain(B), &timers::SWEEP);
    assert_eq!(net.count(B, RecordKind::FailedFetch), 0);
}

#[test]
fn keys_go_when_their_time_is_over_and_not_before() {
    let mut net = net();
    let first = frame(&net, "a.example");
    assert_eq!(deliver(&mut net, B, first), Ok(1));
    // Refreshed, they last longer than those that were there first.
    net.now = NOW + 12 * HOUR;
    let again = frame(&net, "a.example");
    assert_eq!(deliver(&mut net, B, again), Ok(1));
    assert_eq!(net.asks.len(), 2);
    for (after, there) in [(DAY + 2 * HOUR, 1), (DAY + 14 * HOUR, 0)] {
        net.now = NOW + after;
        net.timer(&domain(B), &timers::SWEEP);
        assert_eq!(net.count(B, RecordKind::PeerKeys), there);
        assert_eq!(net.count(B, RecordKind::PeerKeysExpiry), there);
    }
}
