//! protocol.md §8, Atomicity — the distributor: each recipient exactly once and in order, whatever happens.

use super::driver::{Net, domain, group, message, mls_message};
use crate::{
    queuing_service::tests::client::{LONG, TestClient},
    store::RecordKind,
    wire::fan_out::{ClientQueueConfig, QueueMessage},
};

const A: &str = "a.example";

/// Five members at three homeservers.
fn members(net: &mut Net) -> Vec<TestClient> {
    let homes = [A, A, A, "b.example", "c.example"];
    homes.iter().zip(1..).map(|(home, number)| TestClient::new(net, home, number)).collect()
}

fn scene(per_commit: usize) -> (Net, Vec<TestClient>) {
    let mut net = Net::new(&[A, "b.example", "c.example"]);
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

fn assert_all(net: &mut Net, members: &mut [TestClient], count: u64, what: &str) {
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

/// As many homeservers as one commit serves are read for in a handful of rounds.
#[test]
fn members_on_fifty_homeservers() {
    let names: Vec<String> = (0..50).map(|number| format!("h{number}.example")).collect();
    let mut all: Vec<&str> = names.iter().map(String::as_str).collect();
    all.push(A);
    let mut net = Net::new(&all);
    let mut members: Vec<_> =
        names.iter().zip(1..).map(|(name, number)| TestClient::new(&mut net, name, number)).collect();
    let group = group(A, 1);
    let configs: Vec<_> = members.iter_mut().map(|member| member.bound(&group)).collect();
    // Over the bound too.
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

/// What concerns one recipient does not hold up the others.
#[test]
fn a_damaged_record_concerns_its_owner_alone() {
    for kind in [RecordKind::QsClient, RecordKind::FanOutQueue] {
        for lost in [false, true] {
            let (mut net, mut members) = scene(3);
            let key = net.server(A).store.keys().find(|key| key.kind() == kind).unwrap().clone();
            let row = net.server(A).store[&key].clone();
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
