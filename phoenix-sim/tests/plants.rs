//! Planted bugs are found: an oracle that never fails shows nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::atomic::AtomicU64;

use phoenix_core::config::Plant;
use phoenix_sim::{plan::Settings, report::Report, world};

fn run(seed: u64, plant: Option<Plant>) -> Report {
    let settings = Settings { seed, servers: 2, users: 3, messages: 12, plant };
    world::run(&settings, &AtomicU64::new(0)).unwrap()
}

/// Looks for a seed that finds the bug, by one of these oracles, and holds without it.
fn is_found(plant: Plant, oracles: &[&str]) {
    let found = (1..500).find_map(|seed| {
        let report = run(seed, Some(plant));
        let failure = report.failure?;
        assert!(oracles.contains(&failure.oracle.as_str()), "seed {seed}: {failure}");
        Some(seed)
    });
    let seed = found.expect("some seed finds the bug");
    let report = run(seed, None);
    assert!(report.passed(), "{report}");
}

#[test]
fn signatures_that_are_not_checked() {
    is_found(Plant::SkipSignature, &["refused"]);
}

#[test]
fn answers_before_the_commit_is_durable() {
    is_found(
        Plant::AckBeforeCommit,
        &["acknowledged", "enqueued", "order", "queues", "tokens", "unfinished"],
    );
}

#[test]
fn destinations_that_are_not_checked() {
    is_found(Plant::IgnoreDestination, &["refused"]);
}

#[test]
fn positions_that_are_not_checked() {
    is_found(Plant::IgnorePosition, &["enqueued"]);
}

#[test]
fn tokens_that_are_spent_again() {
    is_found(Plant::ReuseNullifier, &["tokens", "refused"]);
}

#[test]
fn configurations_that_authorise_everything() {
    is_found(Plant::UnboundForever, &["refused"]);
}
