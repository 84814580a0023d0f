//! PROTOCOL.md §9, Key distribution — what it costs that strangers can name any domain, and what stays of it.

use std::time::Duration;

use super::sender::{TestSender, deliver, refused, request};
use crate::{
    error::Refusal,
    operation::timers,
    store::RecordKind,
    testing::{
        messages::group,
        world::{NOW, World, domain},
    },
    time::{DAY, HOUR, MINUTE},
    wire::federation::Frame,
};

const B: &str = "b.example";

/// Returns a frame that names `source`.
fn frame(world: &World, source: &str) -> Frame {
    let mut sender = TestSender::new(source, B, 1, 0);
    let entries = sender.entries(&group(source, 1), 0..1, &[]);
    sender.sign(sender.batch(0, entries, world.now))
}

fn world() -> World {
    let mut world = World::of(&["a.example", B, "c.example"]);
    world.install(B, |config, _| {
        config.rates.first_contacts_per_second = 1;
        config.rates.first_contact_burst = 5;
    });
    world
}

#[test]
fn junk_that_names_ever_new_domains_has_us_ask_a_few_of_them_only() {
    let mut world = world();
    let known = frame(&world, "a.example");
    assert_eq!(deliver(&mut world, B, known), Ok(1));
    for number in 0..20 {
        let junk = frame(&world, &format!("junk{number}.example"));
        let refusal = refused(&mut world, B, junk);
        let unavailable = matches!(refusal, Refusal::PeerUnavailable { .. });
        assert!(unavailable || refusal == Refusal::RateLimited { retry_after_milliseconds: 1000 });
    }
    assert_eq!(world.asks.len(), 6, "the burst, all domains together, and the one that goes over it");
    let mut known = TestSender::new("a.example", B, 2, 0);
    let entries = known.entries(&group("a.example", 1), 0..1, &[]);
    let known = known.sign(known.batch(0, entries, NOW));
    assert_eq!(deliver(&mut world, B, known), Ok(1), "a known source is served meanwhile");
    assert_eq!(world.asks.len(), 6);
    world.now = NOW + MINUTE;
    let new = frame(&world, "c.example");
    assert_eq!(deliver(&mut world, B, new), Ok(1), "a new source is served later");
}

/// Each pays before it asks, so the budget is not overdrawn, and a newcomer does not wait until a debt is paid.
#[test]
fn strangers_at_the_same_time_have_no_more_asked_than_one_after_the_other() {
    let mut world = world();
    let junk: Vec<Vec<u8>> =
        (0..200).map(|number| request(&world, B, frame(&world, &format!("junk{number}.example")))).collect();
    for recorded in world.race(&domain(B), &junk) {
        let refusal = recorded.refusal().unwrap();
        assert!(
            matches!(refusal, Refusal::PeerUnavailable { .. } | Refusal::RateLimited { .. }),
            "{refusal:?}"
        );
    }
    assert_eq!(world.asks.len(), 6, "the burst, and the one that goes over it");
    world.now = NOW + Duration::from_secs(1);
    let new = frame(&world, "c.example");
    assert_eq!(deliver(&mut world, B, new), Ok(1), "the newcomer waits for one question");
}

#[test]
fn what_was_asked_for_in_vain_leaves_nothing_behind() {
    let mut world = world();
    for number in 0..4 {
        let junk = frame(&world, &format!("junk{number}.example"));
        assert!(matches!(refused(&mut world, B, junk), Refusal::PeerUnavailable { .. }));
    }
    assert_eq!(world.count(B, RecordKind::PeerKeys), 0);
    assert_eq!(world.count(B, RecordKind::FailedFetch), 4);
    world.now = NOW + 2 * HOUR;
    world.timer(&domain(B), &timers::SWEEP);
    assert_eq!(world.count(B, RecordKind::FailedFetch), 0);
}

#[test]
fn keys_go_when_their_time_is_over_and_not_before() {
    let mut world = world();
    let first = frame(&world, "a.example");
    assert_eq!(deliver(&mut world, B, first), Ok(1));
    // Refreshed, they last longer than those that were there first.
    world.now = NOW + 12 * HOUR;
    let again = frame(&world, "a.example");
    assert_eq!(deliver(&mut world, B, again), Ok(1));
    assert_eq!(world.asks.len(), 2);
    for (after, there) in [(DAY + 2 * HOUR, 1), (DAY + 14 * HOUR, 0)] {
        world.now = NOW + after;
        world.timer(&domain(B), &timers::SWEEP);
        assert_eq!(world.count(B, RecordKind::PeerKeys), there);
        assert_eq!(world.count(B, RecordKind::PeerKeysExpiry), there);
    }
}
