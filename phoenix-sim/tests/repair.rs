//! Mishaps of machines and stores that operators meet, each in worlds in which nothing else goes wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{collections::BTreeSet, sync::atomic::AtomicU64, time::Duration};

use phoenix_core::{client::ClientPlant, crypto::null::NullCryptography, store::RecordKind, time::MINUTE};
use phoenix_sim::{
    disk::StoreFaults,
    generate, interpose,
    plan::{Action, Bug, Cryptography, Damage, DamagedRows, Fault, FaultKind, Intent, Plan, Settings},
    report::Report,
    world::World,
};

/// The plan of a world in which nothing goes wrong but these faults, until two minutes have passed.
fn plan(seed: u64, plant: Option<Bug>, faults: Vec<Fault>) -> Plan {
    let cryptography = Cryptography::Null;
    let span = Some(MINUTE / 2);
    let settings = Settings { seed, servers: 3, users: 6, messages: 30, span, plant, cryptography };
    let mut plan = generate::plain(&settings);
    plan.store_faults = StoreFaults { latency: Duration::from_millis(20), ..StoreFaults::none() };
    plan.faults = faults;
    plan.faults_end = Duration::from_secs(120);
    plan
}

/// Runs the world of a plan in which nothing else goes wrong. `look` sees it when `at` has passed.
fn run(plan: impl FnOnce() -> Plan + Send, at: u64, look: impl FnOnce(&mut World) + Send) -> Report {
    let report = interpose::in_world(1, || {
        let _null = NullCryptography::switch_on();
        let mut world = World::new(plan());
        while world.clock().elapsed() < Duration::from_secs(at) && world.failure().is_none() {
            assert!(world.step());
        }
        look(&mut world);
        world.run(&AtomicU64::new(0));
        world.into_report()
    });
    report.unwrap()
}

fn fault(at: u64, lasts: u64, kind: FaultKind) -> Fault {
    Fault { at: Duration::from_secs(at), lasts: Duration::from_secs(lasts), kind }
}

/// While one process of a homeserver is paused beyond its leases, the other serves what is due.
#[test]
fn another_process_takes_over_from_one_that_is_paused() {
    let pause = |number| fault(65, 55, FaultKind::Pause { server: 0, number });
    let waiting = |seed: u64, faults: Vec<Fault>| {
        let mut count = 0;
        let look = |world: &mut World| count = world.servers()[0].disk.rows.count(RecordKind::FanOutRow);
        let report = run(|| plan(seed, None, faults), 119, look);
        assert!(report.passed(), "{report}");
        assert_eq!(report.acknowledged, 30, "{report}");
        assert!(report.faults["events of paused processes"] > 10, "{report}");
        count
    };
    // In some worlds something is on its way when both are paused.
    let seed = (1..20).find(|seed| waiting(*seed, vec![pause(0), pause(1)]) > 0);
    let seed = seed.expect("what no process serves waits");
    assert_eq!(waiting(seed, vec![pause(0)]), 0);
    assert_eq!(waiting(seed, vec![pause(1)]), 0);
}

/// Power failures of each homeserver and of its users' devices, every few seconds.
fn power_failures() -> Vec<Fault> {
    let failure = |number: u64| {
        let server = (number % 3) as usize;
        let kind = FaultKind::PowerFailure { server, commits: number % 7, users: vec![server, server + 3] };
        fault(1 + 3 * number, 1, kind)
    };
    (0..39).map(failure).collect()
}

#[test]
fn what_was_acknowledged_outlives_power_failures() {
    let report = run(|| plan(1, None, power_failures()), 0, |_| {});
    assert!(report.passed(), "{report}");
    assert!(report.faults["power failures"] > 20 && report.faults["commits rolled back"] > 20, "{report}");
    assert_eq!((report.acknowledged, report.lost), (30, 0), "{report}");
}

/// A store that tells of commits before they are synced is noticed, once the power has failed.
#[test]
fn what_a_store_has_promised_and_not_synced_is_missed_after_a_power_failure() {
    let lie = |world: &mut World| world.servers_mut().iter_mut().for_each(|server| server.journal.lag = 3);
    let report = run(|| plan(1, None, Vec::new()), 0, lie);
    assert!(report.passed(), "without a power failure: {report}");
    let report = run(|| plan(1, None, power_failures()), 0, lie);
    let failure = report.failure.expect("what is lost is missed");
    let oracles = ["acknowledged", "enqueued", "order", "queues", "refusals", "tokens", "unfinished"];
    assert!(oracles.contains(&failure.oracle.as_str()), "{failure}");
}

/// A store that is restored from a copy that is this many seconds old, while messages are sent.
fn store_restored(server: usize, age: u64) -> Fault {
    fault(75, 2, FaultKind::StoreRestored { server, age: Duration::from_secs(age) })
}

/// The same plan, in which the creator of the first group founds another one with the same members, after all have
/// read their queues since the restoration.
fn with_another_group(mut plan: Plan) -> Plan {
    plan.faults_end = Duration::from_secs(150);
    let members: Vec<usize> = plan.intents.iter().filter_map(invited).collect();
    let at = |seconds: u64| Duration::from_secs(seconds);
    let mut wants = |seconds: u64, user: usize, action: Action| {
        plan.intents.push(Intent { at: at(seconds), user, action });
    };
    wants(101, 0, Action::CreateGroup { group: ANOTHER });
    for other in &members {
        wants(102, 0, Action::Invite { group: ANOTHER, other: *other });
    }
    for user in members.into_iter().chain([0]) {
        wants(110, user, Action::Send { group: ANOTHER, text: format!("user {user} is in another group") });
    }
    plan
}

const ANOTHER: usize = 9;

/// Returns who is invited to the first group.
fn invited(intent: &Intent) -> Option<usize> {
    match intent.action {
        Action::Invite { group: 0, other } => Some(other),
        _ => None,
    }
}

/// Returns how many members the other group has in the view of each user who is in it and can follow it.
fn members_of_another(world: &mut World) -> Vec<usize> {
    let group = world.group(ANOTHER).expect("the group exists").clone();
    let views = world.users_mut().iter().flat_map(|user| user.client.as_ref().unwrap().groups());
    let views = views.filter(|view| view.group_id == group && view.healthy);
    views.map(|view| view.members.len()).collect()
}

#[test]
fn what_a_restored_store_has_lost_is_all_that_is_lost() {
    let (mut given_up, mut refused, mut whole) = (0, BTreeSet::<u16>::new(), 0);
    for (seed, age) in [(1, 10), (2, 45), (3, 1), (6, 10), (13, 10), (19, 1), (27, 45), (35, 10)] {
        for server in 0..3 {
            let faults = vec![store_restored(server, age)];
            let mut members = Vec::new();
            let look = |world: &mut World| members = members_of_another(world);
            let report = run(|| with_another_group(plan(seed, None, faults)), 149, look);
            assert!(report.passed(), "{report}");
            // What is founded once all have read their queues works, in most worlds for all who were invited: each
            // member sees as many as there are.
            let is_whole = members.len() > 2 && members.iter().all(|count| *count == members.len());
            whole += usize::from(is_whole);
            assert_eq!(report.faults["stores restored"], 1, "{report}");
            given_up += report.given_up;
            let codes =
                report.refusals.keys().filter_map(|name| name.rsplit(' ').next()?.parse::<u16>().ok());
            refused.extend(codes);
        }
    }
    assert!(whole >= 20, "{whole} of 24");
    // In some of them members are ahead of their group, and peers of the homeserver's streams.
    assert!(given_up > 20 && refused.is_superset(&[602, 705, 710].into()), "{given_up}, {refused:?}");
}

#[test]
fn a_power_failure_shows_requests_that_left_before_their_save() {
    let plant = Some(Bug::Clients(ClientPlant::SaveAfterRequest));
    let found = (1..20).find_map(|seed| {
        let report = run(|| plan(seed, plant, Vec::new()), 0, |_| {});
        assert!(report.passed(), "without any fault: {report}");
        run(|| plan(seed, plant, power_failures()), 0, |_| {}).failure
    });
    let found = found.expect("one of the seeds finds the bug");
    let oracles = ["duplicates", "queues", "refusals", "restored", "unfinished"];
    assert!(oracles.contains(&found.oracle.as_str()), "{found}");
}

/// What rows are damaged, and what becomes of them.
const DAMAGES: [(DamagedRows, &[Damage]); 10] = [
    (DamagedRows::Lease, &[Damage::Removed, Damage::Changed]),
    (DamagedRows::PeerKeys, &[Damage::Removed, Damage::Changed]),
    (DamagedRows::FirstContacts, &[Damage::Removed]),
    (DamagedRows::InboundSource, &[Damage::Removed]),
    (DamagedRows::InboundStream, &[Damage::Removed, Damage::Changed]),
    (DamagedRows::QueueEntry, &[Damage::Removed, Damage::Changed]),
    (DamagedRows::FanOutRow, &[Damage::Removed]),
    (DamagedRows::OutboundEntry, &[Damage::Removed, Damage::Changed]),
    (DamagedRows::GroupHead, &[Damage::Removed, Damage::Changed]),
    (DamagedRows::GroupSection, &[Damage::Removed, Damage::Changed]),
];

/// Damage concerns those whose rows are damaged, and no one else.
#[test]
fn damaged_rows_concern_their_owners_alone() {
    for (rows, damages) in DAMAGES {
        for damage in damages {
            let mut damaged = 0;
            for seed in [1, 3, 5, 8, 10] {
                let server = seed as usize % 2;
                let faults = [70, 75, 80].map(|at| {
                    let number = at as usize * 7 + seed as usize;
                    fault(at, 0, FaultKind::DamagedRow { server, rows, number, damage: *damage })
                });
                let report = run(|| plan(seed, None, faults.into()), 0, |_| {});
                assert!(report.passed(), "{rows:?} {damage:?}: {report}");
                damaged += report.faults.get("damaged rows").copied().unwrap_or_default();
            }
            assert!(damaged > 2, "{rows:?} {damage:?}");
        }
    }
}
