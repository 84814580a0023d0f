//! Whole worlds: without planted bugs no oracle fails, and a seed gives the same world in every run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use phoenix_sim::{plan::Settings, report::Report, world};

fn settings(seed: u64) -> Settings {
    Settings { seed, servers: 3, users: 5, messages: 30, plant: None }
}

fn run(seed: u64) -> Report {
    world::run(&settings(seed)).unwrap()
}

#[test]
fn without_planted_bugs_no_oracle_fails() {
    for seed in 1..=6 {
        let report = run(seed);
        assert!(report.passed(), "{report}");
        assert!(report.delivered > 30 && report.acknowledged == 30, "{report}");
        assert_eq!((report.lost, report.duplicated, report.unchecked), (0, 0, 0));
    }
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

/// In the first of these worlds the user who requested a connection invites the other before that one knows
/// that the connection is made; in the second world, the user who was asked does.
#[test]
fn an_invitation_that_overtakes_its_connection_is_accepted() {
    for seed in [10243, 10362] {
        let settings = Settings { seed, servers: 3, users: 4, messages: 6, plant: None };
        let report = world::run(&settings).unwrap();
        assert!(report.passed(), "{report}");
    }
}
