//! PROTOCOL.md §7 — markers in place of what is refused for a single client's sake: never too few, never
//! many.

use super::client::{LONG, TestClient};
use crate::{
    identifiers::GroupId,
    testing::{
        messages::{group, message, mls_message},
        world::{NOW, World},
    },
    time::MINUTE,
    wire::fan_out::{ClientQueueConfig, FanOutContent, GapReason},
};

const B: &str = "b.example";

fn send(world: &mut World, group: &GroupId, positions: std::ops::Range<u64>, config: &ClientQueueConfig) {
    for position in positions {
        world.send(message(group, position, mls_message(group), std::slice::from_ref(config)));
    }
    assert!(world.settle(LONG));
}

#[test]
fn a_full_queue_gets_one_marker_for_each_membership() {
    let mut world = World::of(&[B]);
    world.install(B, |config, _| config.sizes.fan_out_queue = 5);
    let mut client = TestClient::new(&mut world, B, 1);
    let groups: Vec<GroupId> = (1..100).map(|number| group(B, number)).collect();
    let configs: Vec<_> = groups.iter().map(|group| client.bound(group)).collect();
    for round in 0..3 {
        for (group, config) in groups.iter().zip(&configs) {
            send(&mut world, group, round..round + 1, config);
        }
    }
    while !client.dequeue(&mut world).is_empty() {}
    // The key that the queue begins with and four deliveries fill it.
    assert_eq!(client.reasons(), [GapReason::QueueFull; 99]);
    let first = client.gaps().iter().find(|gap| gap.group_id == groups[50]).unwrap().position;
    assert_eq!(first, 0, "the first that is missing");
    // With room again, it goes on; and what goes missing after a marker was read is marked again.
    client.dequeue(&mut world);
    send(&mut world, &groups[0], 3..10, &configs[0]);
    while !client.dequeue(&mut world).is_empty() {}
    assert_eq!(client.gaps().len(), 100);
}

#[test]
fn rates_are_held_for_each_membership_and_altogether() {
    let mut world = World::of(&[B]);
    world.install(B, |config, _| {
        config.rates.membership_per_minute = 3;
        config.rates.client_per_minute = 5;
    });
    let mut client = TestClient::new(&mut world, B, 1);
    let (first, second) = (group(B, 1), group(B, 2));
    let (config, other) = (client.bound(&first), client.bound(&second));
    send(&mut world, &first, 0..6, &config);
    send(&mut world, &second, 0..6, &other);
    assert_eq!(client.positions(&mut world, &first), [0, 1, 2]);
    assert_eq!(client.positions(&mut world, &second), [0, 1]);
    assert_eq!(client.reasons(), [GapReason::Rate; 2], "one each");
    world.now = NOW + MINUTE;
    send(&mut world, &first, 6..7, &config);
    assert_eq!(client.positions(&mut world, &first), [0, 1, 2, 6]);
}

/// What goes missing after the client has read a marker and caught up does not hide behind that marker.
#[test]
fn what_goes_missing_after_a_marker_was_read_is_marked_again() {
    let mut world = World::of(&[B]);
    world.install(B, |config, _| config.rates.membership_per_minute = 1);
    let mut client = TestClient::new(&mut world, B, 1);
    let group = group(B, 1);
    let config = client.bound(&group);
    send(&mut world, &group, 0..3, &config);
    client.dequeue(&mut world);
    assert_eq!(client.gaps().len(), 1);
    send(&mut world, &group, 3..6, &config);
    client.dequeue(&mut world);
    assert_eq!(client.gaps().len(), 2);
    assert_eq!(client.gaps()[1].position, 3);
}

/// Alternating between memberships does not get around the rates.
#[test]
fn a_flood_through_two_memberships_leaves_two_markers() {
    let mut world = World::of(&[B]);
    let mut client = TestClient::new(&mut world, B, 1);
    let groups = [group(B, 1), group(B, 2)];
    let configs = [client.bound(&groups[0]), client.bound(&groups[1])];
    for position in 0..50 {
        for (group, config) in groups.iter().zip(&configs) {
            world.send(message(group, position, FanOutContent::Dropped, std::slice::from_ref(config)));
        }
    }
    assert!(world.settle(LONG));
    while !client.dequeue(&mut world).is_empty() {}
    assert_eq!(client.reasons(), [GapReason::Dropped; 2]);
}

/// A stolen configuration fills no queue.
#[test]
fn what_is_refused_to_strangers_is_bounded() {
    let mut world = World::of(&[B]);
    let mut client = TestClient::new(&mut world, B, 1);
    let own = group(B, 200);
    let config = client.bound(&own);
    for number in 0..150 {
        send(&mut world, &group(B, number), 0..2, &config);
    }
    send(&mut world, &own, 0..1, &config);
    while !client.dequeue(&mut world).is_empty() {}
    assert_eq!(client.reasons(), [GapReason::NotAuthorised; 64]);
    assert_eq!(client.positions(&mut world, &own), [0]);
}

/// A message that no queue entry holds is marked, and those behind it arrive.
#[test]
fn a_message_too_long_for_an_entry_is_marked() {
    let mut world = World::of(&[B]);
    let mut client = TestClient::new(&mut world, B, 1);
    let group = group(B, 1);
    let config = client.bound(&group);
    let key = crate::crypto::aead::EarKey::from_bytes([1; 32]);
    let mut random = crate::rng::Random::from_seed([1; 32]);
    let attribution = key.seal(&mut random, b"", &vec![0; 7 << 20]).unwrap();
    let long = crate::wire::fan_out::WelcomeBundle { welcome: vec![1].try_into().unwrap(), attribution };
    world.send(message(&group, 0, FanOutContent::Welcome(long), std::slice::from_ref(&config)));
    send(&mut world, &group, 1..2, &config);
    assert_eq!(client.positions(&mut world, &group), [1]);
    assert_eq!(client.reasons(), [GapReason::Dropped]);
}
