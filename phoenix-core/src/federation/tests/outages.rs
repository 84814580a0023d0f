//! PROTOCOL.md §9, Outbox — outages: bounds, backoff, breaker, and that nothing waits for ever.

use std::time::Duration;

use super::{
    outbox::{A, B, pair},
    sender::{TestSender, deliver},
};
use crate::{
    config::Rule,
    identifiers::{GroupUuid, LogId},
    operation::{Report, Timer},
    queuing_service::tests::client::{LONG, TestClient},
    store::RecordKind,
    testing::{
        messages::{group, message, mls_message},
        world::{NOW, World, domain},
    },
    time::{DAY, HOUR},
    wire::fan_out::{FanOutContent, GapReason},
};

/// One stream, four entries with content, four more to tell.
fn small(world: &mut World) {
    world.install(A, |config, _| {
        config.sizes.stream_shards = 1;
        config.sizes.outbox_entries = 4;
    });
}

#[test]
fn over_the_bound_the_oldest_are_dropped_and_everybody_is_told() {
    let mut pair = pair();
    small(&mut pair.world);
    pair.world.down.insert(domain(B));
    pair.send(1);
    pair.world.settle(Duration::from_secs(5));
    pair.send(19);
    pair.world.settle(Duration::from_secs(5));
    assert_eq!(pair.world.count(A, RecordKind::OutboundEntry), 8);
    let dropped: Vec<_> =
        pair.world.reports.iter().filter(|r| matches!(r, Report::OutboxDropped { .. })).collect();
    assert_eq!(dropped.len(), 16);
    for report in dropped {
        let Report::OutboxDropped { destination, count, since } = report else { continue };
        assert_eq!((destination, *count, *since), (&domain(B), 1, NOW));
    }
    pair.world.down.clear();
    assert!(pair.world.settle(LONG));
    assert_eq!(pair.positions(), [16, 17, 18, 19]);
    assert_eq!(pair.client.reasons(), [GapReason::Dropped]);
    for kind in [RecordKind::OutboundEntry, RecordKind::PeerState, RecordKind::Timer] {
        assert_eq!(pair.world.count(A, kind), 0);
    }
}

/// Epochs whose entries were all dropped go too.
#[test]
fn a_long_outage_leaves_nothing_behind() {
    let mut pair = pair();
    small(&mut pair.world);
    pair.world.down.insert(domain(B));
    for _ in 0..30 {
        pair.send(1);
        pair.world.settle(HOUR);
    }
    pair.world.down.clear();
    assert!(pair.world.settle(LONG));
    assert_eq!(pair.positions(), [26, 27, 28, 29]);
    assert!(pair.world.count(A, RecordKind::OutboundEpoch) <= 1);
}

#[test]
fn entries_that_are_too_old_become_markers() {
    let mut pair = pair();
    pair.world.down.insert(domain(B));
    pair.send(3);
    pair.world.settle(8 * DAY);
    pair.send(1);
    pair.world.settle(Duration::from_secs(1));
    pair.world.down.clear();
    assert!(pair.world.settle(LONG));
    assert_eq!(pair.positions(), [3]);
    assert_eq!(pair.client.reasons(), [GapReason::Dropped]);
}

/// Even if the peer never comes back.
#[test]
fn what_waits_for_a_dead_peer_goes_with_time() {
    let mut pair = pair();
    pair.world.install(A, |config, _| config.times.outbox_age = 4 * HOUR);
    pair.send(1);
    assert!(pair.world.settle(LONG));
    pair.world.down.insert(domain(B));
    for _ in 0..40 {
        let mut large = pair.next();
        let content = FanOutContent::Message(vec![7; 4 << 10].try_into().unwrap());
        large.contents = vec![content].try_into().unwrap();
        pair.world.send(large);
    }
    let bytes = |world: &World| -> usize {
        let store = &world.servers[&domain(A)].store;
        let entries = store.iter().filter(|(key, _)| key.kind() == RecordKind::OutboundEntry);
        entries.map(|(_, row)| row.bytes.len()).sum()
    };
    pair.world.settle(3 * HOUR);
    assert!(bytes(&pair.world) > 160 << 10);
    pair.world.settle(3 * HOUR);
    assert_eq!(pair.world.count(A, RecordKind::OutboundEntry), 40, "whom to tell is still known");
    assert!(bytes(&pair.world) < 40 << 10);
    let reported = pair.world.reports.iter().map(|report| match report {
        Report::OutboxDropped { count, .. } => *count,
        Report::PeerRefuses { .. } | Report::DamagedMessage { .. } => 0,
    });
    assert_eq!(reported.sum::<u64>(), 40);
    pair.world.settle(4 * HOUR);
    assert_eq!(pair.world.count(A, RecordKind::OutboundEntry), 0);
    pair.world.down.clear();
    pair.send(1);
    assert!(pair.world.settle(LONG));
    assert_eq!(pair.positions(), [0, 41]);
}

/// What a blocked domain missed, its clients learn of when it is blocked no more.
#[test]
fn a_domain_that_was_blocked_for_a_while_is_told_of_the_gap() {
    let mut pair = pair();
    pair.send(1);
    assert!(pair.world.settle(LONG));
    let asked = pair.world.asks.len();
    pair.world.install(A, |config, _| {
        config.federation.outbound = Rule::Open { blocklist: vec![B.parse().unwrap()] };
    });
    pair.send(3);
    pair.world.settle(3 * HOUR);
    assert_eq!(pair.world.asks.len(), asked, "it is not called");
    pair.world.install(A, |_, _| ());
    pair.send(1);
    assert!(pair.world.settle(LONG));
    assert_eq!(pair.positions(), [0, 4]);
    assert_eq!(pair.client.reasons(), [GapReason::Dropped]);
}

/// When `B` was asked, in order, while `pair` settles for so long.
fn attempts(world: &mut World, longest: Duration) -> Vec<Duration> {
    let (begin, mut at) = (world.now, Vec::new());
    while world.now < begin + longest {
        let asked = world.asks.len();
        world.run_until_idle();
        at.extend(std::iter::repeat_n(world.now - begin, world.asks.len() - asked));
        let next = world.next_due();
        world.now = next.unwrap_or(begin + longest).min(begin + longest);
    }
    at
}

#[test]
fn backoff_grows_is_capped_and_resets_on_success_and_on_contact() {
    let mut pair = pair();
    pair.send(1);
    assert!(pair.world.settle(LONG));
    pair.world.down.insert(domain(B));
    pair.send(1);
    let day = attempts(&mut pair.world, DAY);
    assert!(day.iter().filter(|at| **at < Duration::from_secs(10)).count() >= 3, "at first in seconds");
    assert!(day.len() > 24 && day.len() < 120, "then not more often than needed: {}", day.len());
    let longest = day.windows(2).map(|two| two[1] - two[0]).max().unwrap();
    assert!(longest <= HOUR + Duration::from_secs(30) && longest > HOUR / 3, "{longest:?}");
    // The peer comes back and contacts us: all that waits goes at once.
    pair.world.down.clear();
    let other = TestSender::new(B, A, 1, 0);
    let frame = other.sign(other.skip(0, 1, pair.world.now));
    assert_eq!(deliver(&mut pair.world, A, frame), Ok(1));
    assert_eq!(pair.world.count(A, RecordKind::PeerState), 0);
    assert!(pair.world.settle(Duration::ZERO));
    assert_eq!(pair.positions(), [0, 1]);
}

#[test]
fn two_seconds_of_trouble_cost_seconds() {
    let mut pair = pair();
    pair.world.down.insert(domain(B));
    pair.send(1);
    pair.world.settle(Duration::from_secs(2));
    pair.world.down.clear();
    let from = pair.world.now;
    assert!(pair.world.settle(LONG));
    assert!(pair.world.now - from < Duration::from_secs(10));
    assert_eq!(pair.positions(), [0]);
}

#[test]
fn one_stream_tries_for_all_of_a_dead_peer() {
    let mut world = World::of(&[A, B]);
    let mut client = TestClient::new(&mut world, B, 1);
    world.down.insert(domain(B));
    for number in 1..40 {
        let group = group(A, number);
        let config = client.bound(&group);
        world.send(message(&group, 0, mls_message(&group), &[config]));
    }
    world.settle(2 * HOUR);
    assert_eq!(world.timers().len(), 4, "all shards wait");
    let day = attempts(&mut world, DAY);
    assert!(day.len() < 150, "as often as one stream would: {}", day.len());
    assert!(day.windows(2).all(|two| two[0] < two[1]), "one at a time");
    world.down.clear();
    assert!(world.settle(LONG), "and all shards go on");
    while !client.dequeue(&mut world).is_empty() {}
    assert_eq!(client.read.len(), 39);
}

#[test]
fn a_dead_peer_does_not_delay_another() {
    let mut world = World::of(&[A, B, "c.example"]);
    let (mut there, mut dead) =
        (TestClient::new(&mut world, "c.example", 1), TestClient::new(&mut world, B, 2));
    world.down.insert(domain(B));
    let group = group(A, 1);
    let configs = [there.bound(&group), dead.bound(&group)];
    for position in 0..30 {
        world.send(message(&group, position, mls_message(&group), &configs));
    }
    world.settle(Duration::ZERO);
    assert_eq!(there.positions(&mut world, &group), (0..30).collect::<Vec<_>>(), "at once");
    world.settle(DAY);
    world.down.clear();
    assert!(world.settle(LONG));
    assert_eq!(dead.positions(&mut world, &group), (0..30).collect::<Vec<_>>());
}

#[test]
fn a_rate_limited_stream_waits_as_told_and_loses_nothing() {
    let mut pair = pair();
    pair.world.install(B, |config, _| {
        config.rates.source_entries_per_second = 10;
        config.rates.source_burst = 20;
    });
    pair.world.down.insert(domain(B));
    pair.send(600);
    pair.world.settle(Duration::ZERO);
    pair.world.down.clear();
    assert!(!pair.world.settle(Duration::from_secs(30)));
    // What is appended meanwhile does not shorten the wait.
    pair.send(10);
    assert!(pair.world.settle(LONG));
    let took = pair.world.now - NOW;
    assert!(took >= Duration::from_secs(40) && took <= Duration::from_secs(70), "{took:?}");
    assert_eq!(pair.frames().len(), 5, "no attempt in vain but those that were told to wait");
    assert_eq!(pair.positions(), (0..610).collect::<Vec<_>>());
}

#[test]
fn what_is_appended_while_a_question_is_under_way_does_not_disturb_it() {
    let mut pair = pair();
    pair.send(1);
    assert!(pair.world.settle(LONG));
    let before = pair.frames().len();
    pair.send(1);
    pair.world.timer(&domain(A), &Timer::Distribute(LogId::Group(GroupUuid([1; 16]))));
    let next = pair.next();
    pair.world.faults.meanwhile = Some(next);
    assert!(pair.world.settle(LONG));
    assert_eq!(pair.frames().len(), before + 2, "each frame was sent once");
    assert_eq!(pair.positions(), [0, 1, 2]);
}

/// Over the bound, every append drops something: deliveries go on all the same.
#[test]
fn appending_over_the_bound_does_not_disturb_a_delivery() {
    let mut pair = pair();
    small(&mut pair.world);
    pair.world.down.insert(domain(B));
    pair.send(30);
    pair.world.settle(Duration::from_secs(1));
    pair.world.down.clear();
    let mut sent = 0;
    while pair.positions().is_empty() {
        sent += 1;
        assert!(sent < 30, "deliveries go on");
        let next = pair.next();
        pair.world.faults.meanwhile = Some(next);
        pair.world.settle(Duration::from_secs(1));
    }
    assert!(pair.world.settle(LONG));
}

/// A peer that answers without sense is not asked in a loop.
#[test]
fn an_answer_that_brings_nothing_forward_is_waited_after() {
    let mut pair = pair();
    // For the sender, the peer's stream rows never last: it expects the beginning each time.
    pair.send(3);
    assert!(pair.world.settle(LONG));
    let too_many: Vec<_> = (1..=64).map(|stream| TestSender::new(A, "c.example", stream, 0)).collect();
    pair.world.install("c.example", |_, _| ());
    let mut client = TestClient::new(&mut pair.world, "c.example", 3);
    for other in &too_many {
        let frame = other.sign(other.skip(0, 1, pair.world.now));
        deliver(&mut pair.world, "c.example", frame).unwrap();
    }
    let group = group(A, 1);
    pair.config = client.bound(&group);
    pair.send(1);
    let hour = attempts(&mut pair.world, HOUR);
    assert!(hour.len() > 5 && hour.len() < 40, "{}", hour.len());
    assert_eq!(pair.world.count(A, RecordKind::PeerState), 0, "the peer is there: others do not wait");
    // Once there is room for the stream, all goes on.
    pair.world.now = pair.world.now + DAY;
    assert!(pair.world.settle(LONG));
    assert_eq!(client.positions(&mut pair.world, &group), [3]);
}

/// What a wrong clock has noted of a peer's next attempt, and of who tries for the others, does not outlive
/// it.
#[test]
fn a_peer_is_not_given_up_until_a_time_that_is_yet_to_come() {
    for failures in [1, 10] {
        let mut pair = pair();
        pair.world.down.insert(domain(B));
        pair.send(1);
        pair.world.settle(Duration::ZERO);
        let now = pair.world.now;
        for _ in 0..failures {
            // Not so long that what waits becomes too old.
            pair.world.now = pair.world.now + 12 * HOUR;
            pair.world.run_until_idle();
        }
        assert_eq!(pair.world.count(A, RecordKind::PeerState), 1);
        pair.world.now = now;
        pair.world.down.clear();
        pair.send(1);
        assert!(pair.world.settle(Duration::from_secs(1)));
        assert_eq!(pair.positions(), [0, 1], "after {failures}");
    }
}
