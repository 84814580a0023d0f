//! Whole worlds: without planted bugs no oracle fails, and a seed gives the same world in every run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{collections::BTreeMap, sync::atomic::AtomicU64, time::Duration};

use phoenix_core::time::MINUTE;
use phoenix_sim::{
    generate, interpose,
    plan::{Cryptography, DeviceCopy, Fault, FaultKind, Settings},
    report::Report,
    world::{self, World},
};

fn settings(seed: u64) -> Settings {
    Settings {
        seed,
        servers: 3,
        users: 5,
        messages: 30,
        span: None,
        plant: None,
        cryptography: Cryptography::of_seed(seed),
    }
}

fn run(seed: u64) -> Report {
    world::run(&settings(seed)).unwrap()
}

#[test]
fn without_planted_bugs_no_oracle_fails() {
    let mut interrupted: BTreeMap<String, u64> = BTreeMap::new();
    for seed in 1..=20 {
        let report = run(seed);
        assert!(report.passed(), "{report}");
        let permitted = generate::plan(&settings(seed)).leniency();
        assert!(report.delivered > 30 || permitted.permits_gaps(), "{report}");
        assert!(report.acknowledged + report.given_up >= 30, "{report}");
        assert_eq!((report.lost, report.duplicated, report.unchecked), (0, 0, 0));
        let is_harmed = !permitted.harms.is_empty();
        let is_lost = report.older_copies > 0 || permitted.permits_gaps() || permitted.permits_declining();
        let is_lost = is_lost || is_harmed;
        assert!(is_lost || report.given_up == 0, "{report}");
        for (kind, count) in report.interrupted {
            *interrupted.entry(kind).or_default() += count;
        }
    }
    // Clients crash in all phases.
    for kind in ["Register", "Connect", "AnswerRequest", "Invite", "Join", "Send", "Update", "Read"] {
        assert!(interrupted.contains_key(kind), "{kind}: {interrupted:?}");
    }
}

/// A world with one fault: in the middle of the conversation, a client is restored from a copy of its device that
/// is 20 seconds old.
#[test]
fn a_client_restored_from_an_older_copy_holds_up_no_other() {
    let report = interpose::in_world(8, || {
        let mut plan = generate::plain(&Settings { span: Some(MINUTE), ..settings(8) });
        let copy = DeviceCopy::Older(Duration::from_secs(20));
        let kind = FaultKind::ClientCrash { user: 0, steps: 3, copy };
        plan.faults = vec![Fault { at: Duration::from_secs(82), lasts: Duration::from_secs(1), kind }];
        let mut world = World::new(plan);
        world.run(&AtomicU64::new(0));
        let user = &world.users_mut()[0];
        let groups = user.client.as_ref().unwrap().groups();
        assert!(groups.iter().any(|view| !view.connection && !view.healthy), "{groups:?}");
        world.into_report()
    });
    let report = report.unwrap();
    assert!(report.passed(), "{report}");
    assert_eq!(report.older_copies, 1, "{report}");
    assert!(report.given_up > 0, "{report}");
}

#[test]
fn one_seed_is_one_world() {
    let first = run(7);
    let other = run(8);
    assert_ne!(first.trace_hash, other.trace_hash);
    assert_eq!(run(7), first);
}

#[test]
fn worlds_that_run_at_the_same_time_do_not_affect_each_other() {
    let (first, second) = std::thread::scope(|scope| {
        let threads = [scope.spawn(|| run(9)), scope.spawn(|| run(9))];
        let [first, second] = threads.map(|thread| thread.join().unwrap());
        (first, second)
    });
    assert_eq!(first, second);
}
