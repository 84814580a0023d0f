//! PROTOCOL.md §12, R1 and R3 — random schedules: every message exactly once and in order, or a marker.

use std::time::Duration;

use proptest::prelude::*;

use crate::{
    queuing_service::tests::client::{LONG, TestClient},
    rng::Random,
    store::RecordKind,
    testing::{
        messages::{group, message, mls_message},
        world::{World, domain},
    },
    time::DAY,
    wire::fan_out::ClientQueueConfig,
};

const NAMES: [&str; 3] = ["a.example", "b.example", "c.example"];

/// Sets up groups of two homeservers, each with a member at every homeserver.
fn scene(seed: u64, outbox: u64) -> (World, Vec<TestClient>, Vec<Vec<ClientQueueConfig>>) {
    let mut world = World::of(&NAMES);
    world.seed = Random::derive(&[5; 32], "schedule", &[&seed.to_be_bytes()]).array();
    for name in NAMES {
        world.install(name, |config, _| {
            config.sizes.recipients_per_commit = 2;
            config.sizes.batch_entries = 3;
            config.sizes.stream_shards = 2;
            config.sizes.outbox_entries = outbox;
        });
    }
    let mut clients: Vec<_> =
        NAMES.iter().zip(1..).map(|(name, number)| TestClient::new(&mut world, name, number)).collect();
    let owners = [NAMES[0], NAMES[1]];
    let configs =
        owners.map(|owner| clients.iter_mut().map(|client| client.bound(&group(owner, 1))).collect());
    (world, clients, configs.to_vec())
}

/// Runs `steps` (messages, outages, waiting) with faults all along, then has peace. Returns how many messages
/// each group had.
fn run(world: &mut World, configs: &[Vec<ClientQueueConfig>], steps: &[u8]) -> [u64; 2] {
    let mut sent = [0, 0];
    for step in steps {
        world.faults.chaos = 100;
        match step {
            0..=5 => {
                let number = usize::from(step % 2);
                let group = group(NAMES[number], 1);
                world.send(message(&group, sent[number], mls_message(&group), &configs[number]));
                sent[number] += 1;
            }
            6..=7 => drop(world.down.insert(domain(NAMES[usize::from(step - 5)]))),
            8 => world.down.clear(),
            9 => drop(world.round()),
            _ => drop(world.settle(Duration::from_secs(u64::from(*step)))),
        }
    }
    world.faults.chaos = 0;
    world.down.clear();
    assert!(world.settle(LONG), "all outboxes drain");
    for name in NAMES {
        for kind in [RecordKind::OutboundEntry, RecordKind::FanOutRow, RecordKind::Timer] {
            assert_eq!(world.count(name, kind), 0, "{kind:?}");
        }
    }
    sent
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn exactly_once_and_in_order(seed in any::<u64>(), steps in proptest::collection::vec(0_u8..14, 0..60)) {
        let (mut world, mut clients, configs) = scene(seed, 10_000);
        let sent = run(&mut world, &configs, &steps);
        for client in &mut clients {
            for (number, sent) in sent.iter().enumerate() {
                let read = client.positions(&mut world, &group(NAMES[number], 1));
                prop_assert_eq!(read, (0..*sent).collect::<Vec<_>>());
            }
            prop_assert_eq!(client.gaps().len(), 0);
        }
    }

    /// Outboxes overflow, so messages are missing: each is marked.
    #[test]
    fn in_order_or_marked(seed in any::<u64>(), steps in proptest::collection::vec(0_u8..14, 0..60)) {
        let (mut world, mut clients, configs) = scene(seed, 8);
        let sent = run(&mut world, &configs, &steps);
        for client in &mut clients {
            for (number, sent) in sent.iter().enumerate() {
                let group = group(NAMES[number], 1);
                let read = client.positions(&mut world, &group);
                prop_assert!(read.windows(2).all(|two| two[0] < two[1]), "once and in order");
                let marked = client.gaps().iter().any(|gap| gap.group_id == group);
                prop_assert!(read.len() as u64 == *sent || marked, "what is missing is marked");
            }
        }
    }
}

/// A long outage of all homeservers, many messages, then all come back at once.
#[test]
fn all_catch_up_after_a_long_silence() {
    let (mut world, mut clients, configs) = scene(1, 10_000);
    world.down = NAMES.map(domain).into();
    for position in 0..200 {
        for (number, configs) in configs.iter().enumerate() {
            let group = group(NAMES[number], 1);
            world.send(message(&group, position, mls_message(&group), configs));
        }
        world.settle(Duration::from_secs(600));
    }
    world.settle(DAY);
    world.down.clear();
    assert!(world.settle(LONG));
    for client in &mut clients {
        for owner in [NAMES[0], NAMES[1]] {
            let read = client.positions(&mut world, &group(owner, 1));
            assert_eq!(read, (0..200).collect::<Vec<_>>());
        }
    }
}
