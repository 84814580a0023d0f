//! PROTOCOL.md §8, Atomicity — the distributor serves each recipient exactly once and in order, under every
//! fault.

use crate::{
    crypto::aead::EarKey,
    identifiers::LogId,
    operation::Report,
    queuing_service::tests::client::{LONG, TestClient},
    store::{Key, RecordKind},
    testing::{
        messages::{group, message, mls_message},
        world::{World, domain},
    },
    wire::fan_out::{ClientQueueConfig, QueueMessage},
};

const A: &str = "a.example";

/// Sets up five members at three homeservers.
fn members(world: &mut World) -> Vec<TestClient> {
    let homes = [A, A, A, "b.example", "c.example"];
    homes.iter().zip(1..).map(|(home, number)| TestClient::new(world, home, number)).collect()
}

fn scene(per_commit: usize) -> (World, Vec<TestClient>) {
    let mut world = World::of(&[A, "b.example", "c.example"]);
    for name in [A, "b.example"] {
        world.install(name, |config, _| config.sizes.recipients_per_commit = per_commit);
    }
    let mut members = members(&mut world);
    let group = group(A, 1);
    let configs: Vec<ClientQueueConfig> = members.iter_mut().map(|member| member.bound(&group)).collect();
    for position in 0..3 {
        world.send(message(&group, position, mls_message(&group), &configs));
    }
    (world, members)
}

fn assert_all(world: &mut World, members: &mut [TestClient], count: u64, what: &str) {
    assert!(world.settle(LONG), "{what}");
    for (number, member) in members.iter_mut().enumerate() {
        let read = member.positions(world, &group(A, 1));
        assert_eq!(read, (0..count).collect::<Vec<_>>(), "{what}: member {number}");
        assert_eq!(member.gaps(), [] as [&_; 0]);
    }
    assert_eq!(world.count(A, RecordKind::FanOutRow), 0);
}

#[test]
fn a_crash_at_any_step_leaves_nobody_out_and_serves_nobody_twice() {
    for per_commit in [1, 3] {
        let (mut world, mut members) = scene(per_commit);
        let begin = world.faults.steps;
        assert_all(&mut world, &mut members, 3, "no crash");
        let steps = world.faults.steps - begin;
        assert!(steps > 80);
        for crash_at in 1..=steps {
            let (mut world, mut members) = scene(per_commit);
            world.faults.crash_at = Some(world.faults.steps + crash_at);
            assert_all(&mut world, &mut members, 3, &format!("crash at {crash_at} of {steps}"));
        }
    }
}

#[test]
fn conflicts_and_unknown_outcomes_change_nothing() {
    for per_commit in [1, 3, 32] {
        let (mut world, mut members) = scene(per_commit);
        world.faults.chaos = 300;
        assert_all(&mut world, &mut members, 3, "chaos");
    }
}

/// Reads for as many homeservers as one commit serves take a handful of rounds.
#[test]
fn members_on_fifty_homeservers() {
    let names: Vec<String> = (0..50).map(|number| format!("h{number}.example")).collect();
    let mut all: Vec<&str> = names.iter().map(String::as_str).collect();
    all.push(A);
    let mut world = World::of(&all);
    let mut members: Vec<_> =
        names.iter().zip(1..).map(|(name, number)| TestClient::new(&mut world, name, number)).collect();
    let group = group(A, 1);
    let configs: Vec<_> = members.iter_mut().map(|member| member.bound(&group)).collect();
    // Each outbox is over its bound, too.
    world.install(A, |config, _| (config.sizes.outbox_entries, config.sizes.stream_shards) = (2, 1));
    world.down = names.iter().map(|name| domain(name)).collect();
    for position in 0..6 {
        world.send(message(&group, position, mls_message(&group), &configs));
    }
    world.settle(std::time::Duration::from_secs(1));
    world.down.clear();
    assert!(world.settle(LONG));
    for member in &mut members {
        assert_eq!(member.positions(&mut world, &group), [4, 5]);
        assert_eq!(member.gaps().len(), 1);
    }
}

/// The trouble of one recipient does not hold up the others.
#[test]
fn a_damaged_record_concerns_its_owner_alone() {
    for kind in [RecordKind::QsClient, RecordKind::FanOutQueue] {
        for lost in [false, true] {
            let (mut world, mut members) = scene(3);
            let key = world.server(A).store.keys_of(kind)[0].clone();
            let row = world.server(A).store.get(&key).unwrap().clone();
            if lost {
                world.server(A).store.remove(&key);
            } else {
                world.server(A).store.get_mut(&key).unwrap().bytes.truncate(20);
            }
            assert!(world.settle(LONG));
            for member in &mut members[1..] {
                assert_eq!(member.positions(&mut world, &group(A, 1)), [0, 1, 2]);
            }
            world.server(A).store.insert(key, row);
            assert!(members[0].dequeue(&mut world).iter().all(|m| matches!(m, QueueMessage::Gap(_))));
        }
    }
}

/// Changes the byte of the row at `place`, or its last.
fn damage(world: &mut World, key: &Key, place: usize) {
    let bytes = &mut world.server(A).store.get_mut(key).unwrap().bytes;
    let place = place.min(bytes.len() - 1);
    bytes[place] ^= 1;
}

fn reports(world: &World) -> Vec<(u64, bool)> {
    let damaged = world.reports.iter().filter_map(|report| match report {
        Report::DamagedMessage { log: LogId::Group(_), position, lost } => Some((*position, *lost)),
        _ => None,
    });
    damaged.collect()
}

#[test]
fn a_damaged_message_is_reported_and_those_behind_it_arrive() {
    for (place, damaged) in [(0, 0), (1, 1), (40, 1), (usize::MAX, 0)] {
        let (mut world, mut members) = scene(3);
        let key = world.server(A).store.keys_of(RecordKind::FanOutRow)[damaged].clone();
        damage(&mut world, &key, place);
        assert!(world.settle(LONG));
        let expected: Vec<u64> = (0..3).filter(|position| *position != damaged as u64).collect();
        for member in &mut members {
            assert_eq!(member.positions(&mut world, &group(A, 1)), expected);
        }
        assert_eq!(reports(&world), [(damaged as u64, true)]);
        assert_eq!((world.count(A, RecordKind::FanOutRow), world.count(A, RecordKind::Timer)), (0, 0));
    }
}

/// The last message of a log holds nothing up, until there is one behind it.
#[test]
fn a_damaged_message_with_nothing_behind_it_waits_until_there_is_something() {
    let (mut world, mut members) = scene(3);
    let key = world.server(A).store.keys_of(RecordKind::FanOutRow)[2].clone();
    damage(&mut world, &key, 40);
    assert!(!world.settle(LONG));
    let before = reports(&world);
    assert!(before.len() > 2 && before.len() < 10, "reported, but not all the time: {}", before.len());
    assert!(before.iter().all(|report| *report == (2, false)));
    assert_eq!(world.count(A, RecordKind::FanOutRow), 1);
    let group = group(A, 1);
    let configs: Vec<ClientQueueConfig> = members.iter_mut().map(|member| member.bound(&group)).collect();
    world.send(message(&group, 3, mls_message(&group), &configs));
    assert!(world.settle(LONG));
    for member in &mut members {
        assert_eq!(member.positions(&mut world, &group), [0, 1, 3]);
    }
    assert_eq!(reports(&world)[before.len()..], [(2, true)]);
}

/// A mistake of the operator must not throw away what waits.
#[test]
fn under_another_service_key_nothing_is_lost() {
    let (mut world, mut members) = scene(3);
    let rows = world.server(A).store.clone();
    world.install(A, |_, keys| keys.service_key = EarKey::from_bytes([9; 32]));
    assert!(!world.settle(LONG));
    assert!(reports(&world).iter().all(|report| *report == (0, false)));
    let kept = |kind| rows.count(kind);
    assert_eq!(world.count(A, RecordKind::FanOutRow), kept(RecordKind::FanOutRow));
    world.install(A, |_, _| ());
    assert_all(&mut world, &mut members, 3, "with the right key");
}

#[test]
fn a_message_that_is_lost_is_reported_and_those_behind_it_arrive() {
    for (per_commit, lost) in [(3, 0), (3, 1), (128, 0), (128, 1)] {
        let (mut world, mut members) = scene(per_commit);
        let key = world.server(A).store.keys_of(RecordKind::FanOutRow)[lost].clone();
        world.server(A).store.remove(&key);
        assert!(world.settle(LONG));
        let expected: Vec<u64> = (0..3).filter(|position| *position != lost as u64).collect();
        for member in &mut members {
            assert_eq!(member.positions(&mut world, &group(A, 1)), expected);
        }
        assert_eq!(reports(&world), [(lost as u64, true)]);
        assert_eq!((world.count(A, RecordKind::FanOutRow), world.count(A, RecordKind::Timer)), (0, 0));
    }
}
