//! Contents that reach whom they are not for are found by the oracle `misdelivered`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use phoenix_core::{client::ClientPlant, config::Plant, time::MINUTE};
use phoenix_sim::{
    plan::{Bug, Cryptography, Settings},
    report::Report,
    world,
};

fn run(seed: u64, plant: Option<Bug>) -> Report {
    let settings = Settings {
        seed,
        servers: 2,
        users: 3,
        messages: 12,
        span: Some(MINUTE / 2),
        plant,
        cryptography: Cryptography::Null,
    };
    world::run(&settings).unwrap()
}

/// Asserts that the oracle finds the bug in the world of some seed, and that no oracle fails there without it.
/// `alone`: no other oracle finds it before, in any seed up to then.
fn is_found(plant: Bug, alone: bool) {
    let found = (1..500).find_map(|seed| {
        let failure = run(seed, Some(plant)).failure?;
        let is_found = failure.oracle == "misdelivered";
        assert!(is_found || !alone, "seed {seed}: {failure}");
        is_found.then_some(seed)
    });
    let seed = found.expect("one of the seeds finds the bug");
    let report = run(seed, None);
    assert!(report.passed(), "{report}");
}

#[test]
fn naming_recipients_at_other_homeservers_is_found() {
    is_found(Bug::Homeservers(Plant::ExtraRecipients), true);
}

#[test]
fn asking_a_homeserver_that_is_not_the_recipients_is_found() {
    is_found(Bug::Clients(ClientPlant::AskAtHome), true);
}

#[test]
fn answers_that_reach_another_caller_are_found() {
    is_found(Bug::Homeservers(Plant::AnswersByRequestId), false);
}

#[test]
fn queues_that_others_read_are_found() {
    is_found(Bug::Homeservers(Plant::IgnoreQueueOwner), false);
}
