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
fn members(net: &mut World) -> Vec<TestClient> {
    let homes = [A, A, A, "b.example", "c.example"];
    homes.iter().zip(1..).map(|(home, number)| TestClient::new(net, home, number)).collect()
}

fn scene(per_commit: usize) -> (World, Vec<TestClient>) {
    let mut net = World::of(&[A, "b.example", "c.example"]);
    for name in [A, "b.example"] {
        net.install(name, |config, _| config.sizes.recipients_per_commit = per_commit);
    }
    let mut members = members(&mut net);
    let group = group(A, 1);
    let configs: Vec<ClientQueueConfig> = members.iter_mut().map(|member| member.bound(&group)).collect();
    for position in 0..3 {
        net.send(message(&group, position, mls_message(&group), &configs));
    }
    (net, members)
}

fn assert_all(net: &mut World, members: &mut [TestClient], count: u64, what: &str) {
    assert!(net.settle(LONG), "{what}");
    for (number, member) in members.iter_mut().enumerate() {
        let read = member.positions(net, &group(A, 1));
        assert_eq!(read, (0..count).collect::<Vec<_>>(), "{what}: member {number}");
        assert_eq!(member.gaps(), [] as [&_; 0]);
    }
    assert_eq!(net.count(A, RecordKind::FanOutRow), 0);
}

#[test]
fn a_crash_at_any_step_leaves_nobody_out_and_serves_nobody_twice() {
    for per_commit in [1, 3] {
        let (mut net, mut members) = scene(per_commit);
        let begin = net.faults.steps;
        assert_all(&mut net, &mut members, 3, "no crash");
        let steps = net.faults.steps - begin;
        assert!(steps > 80);
        for crash_at in 1..=steps {
            let (mut net, mut members) = scene(per_commit);
            net.faults.crash_at = Some(net.faults.steps + crash_at);
            assert_all(&mut net, &mut members, 3, &format!("crash at {crash_at} of {steps}"));
        }
    }
}

#[test]
fn conflicts_and_unknown_outcomes_change_nothing() {
    for per_commit in [1, 3, 32] {
        let (mut net, mut members) = scene(per_commit);
        net.faults.chaos = 300;
        assert_all(&mut net, &mut members, 3, "chaos");
    }
}

/// Reads for as many homeservers as one commit serves take a handful of rounds.
#[test]
fn members_on_fifty_homeservers() {
    let names: Vec<String> = (0..50).map(|number| format!("h{number}.example")).collect();
    let mut all: Vec<&str> = names.iter().map(String::as_str).collect();
    all.push(A);
    let mut net = World::of(&all);
    let mut members: Vec<_> =
        names.iter().zip(1..).map(|(name, number)| TestClient::new(&mut net, name, number)).collect();
    let group = group(A, 1);
    let configs: Vec<_> = members.iter_mut().map(|member| member.bound(&group)).collect();
    // Each outbox is over its bound, too.
    net.install(A, |config, _| (config.sizes.outbox_entries, config.sizes.stream_shards) = (2, 1));
    net.down = names.iter().map(|name| domain(name)).collect();
    for position in 0..6 {
        net.send(message(&group, position, mls_message(&group), &configs));
    }
    net.settle(std::time::Duration::from_secs(1));
    net.down.clear();
    assert!(net.settle(LONG));
    for member in &mut members {
        assert_eq!(member.positions(&mut net, &group), [4, 5]);
        assert_eq!(member.gaps().len(), 1);
    }
}

/// The trouble of one recipient does not hold up the others.
#[test]
fn a_damaged_record_concerns_its_owner_alone() {
    for kind in [RecordKind::QsClient, RecordKind::FanOutQueue] {
        for lost in [false, true] {
            let (mut net, mut members) = scene(3);
            let key = net.server(A).store.keys_of(kind)[0].clone();
            let row = net.server(A).store.get(&key).unwrap().clone();
            if lost {
                net.server(A).store.remove(&key);
            } else {
                net.server(A).store.get_mut(&key).unwrap().bytes.truncate(20);
            }
            assert!(net.settle(LONG));
            for member in &mut members[1..] {
                assert_eq!(member.positions(&mut net, &group(A, 1)), [0, 1, 2]);
            }
            net.server(A).store.insert(key, row);
            assert!(members[0].dequeue(&mut net).iter().all(|m| matches!(m, QueueMessage::Gap(_))));
        }
    }
}

/// Changes the byte of the row at `place`, or its last.
fn damage(net: &mut World, key: &Key, place: usize) {
    let bytes = &mut net.server(A).store.get_mut(key).unwrap().bytes;
    let place = place.min(bytes.len() - 1);
    bytes[place] ^= 1;
}

fn reports(net: &World) -> Vec<(u64, bool)> {
    let damaged = net.reports.iter().filter_map(|report| match report {
        Report::DamagedMessage { log: LogId::Group(_), position, lost } => Some((*position, *lost)),
        _ => None,
    });
    damaged.collect()
}

#[test]
fn a_damaged_message_is_reported_and_those_behind_it_arrive() {
    for (place, damaged) in [(0, 0), (1, 1), (40, 1), (usize::MAX, 0)] {
        let (mut net, mut members) = scene(3);
        let key = net.server(A).store.keys_of(RecordKind::FanOutRow)[damaged].clone();
        damage(&mut net, &key, place);
        assert!(net.settle(LONG));
        let expected: Vec<u64> = (0..3).filter(|position| *position != damaged as u64).collect();
        for member in &mut members {
            assert_eq!(member.positions(&mut net, &group(A, 1)), expected);
        }
        assert_eq!(reports(&net), [(damaged as u64, true)]);
        assert_eq!((net.count(A, RecordKind::FanOutRow), net.count(A, RecordKind::Timer)), (0, 0));
    }
}

/// The last message of a log holds nothing up, until there is one behind it.
#[test]
fn a_damaged_message_with_nothing_behind_it_waits_until_there_is_something() {
    let (mut net, mut members) = scene(3);
    let key = net.server(A).store.keys_of(RecordKind::FanOutRow)[2].clone();
    damage(&mut net, &key, 40);
    assert!(!net.settle(LONG));
    let before = reports(&net);
    assert!(before.len() > 2 && before.len() < 10, "reported, but not all the time: {}", before.len());
    assert!(before.iter().all(|report| *report == (2, false)));
    assert_eq!(net.count(A, RecordKind::FanOutRow), 1);
    let group = group(A, 1);
    let configs: Vec<ClientQueueConfig> = members.iter_mut().map(|member| member.bound(&group)).collect();
    net.send(message(&group, 3, mls_message(&group), &configs));
    assert!(net.settle(LONG));
    for member in &mut members {
        assert_eq!(member.positions(&mut net, &group), [0, 1, 3]);
    }
    assert_eq!(reports(&net)[before.len()..], [(2, true)]);
}

/// A mistake of the operator must not throw away what waits.
#[test]
fn under_another_service_key_nothing_is_lost() {
    let (mut net, mut members) = scene(3);
    let rows = net.server(A).store.clone();
    net.install(A, |_, keys| keys.service_key = EarKey::from_bytes([9; 32]));
    assert!(!net.settle(LONG));
    assert!(reports(&net).iter().all(|report| *report == (0, false)));
    let kept = |kind| rows.count(kind);
    assert_eq!(net.count(A, RecordKind::FanOutRow), kept(RecordKind::FanOutRow));
    net.install(A, |_, _| ());
    assert_all(&mut net, &mut members, 3, "with the right key");
}
