//! Every planted bug is found: an oracle that cannot fail proves nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use phoenix_core::{client::ClientPlant, config::Plant};
use phoenix_sim::{
    plan::{Bug, Cryptography, Settings},
    report::Report,
    world,
};

fn run(seed: u64, plant: Option<Bug>) -> Report {
    let settings =
        Settings { seed, servers: 2, users: 3, messages: 12, plant, cryptography: Cryptography::Null };
    world::run(&settings).unwrap()
}

/// Asserts that one of these oracles finds the bug in the world of some seed, and that no oracle fails there
/// without it.
fn is_found(plant: Bug, oracles: &[&str]) {
    let found = (1..500).find_map(|seed| {
        let report = run(seed, Some(plant));
        let failure = report.failure?;
        assert!(oracles.contains(&failure.oracle.as_str()), "seed {seed}: {failure}");
        Some(seed)
    });
    let seed = found.expect("one of the seeds finds the bug");
    let report = run(seed, None);
    assert!(report.passed(), "{report}");
}

#[test]
fn accepting_frames_without_a_valid_signature_is_found() {
    is_found(Bug::Homeservers(Plant::SkipSignature), &["refused"]);
}

#[test]
fn answering_before_the_commit_is_durable_is_found() {
    is_found(
        Bug::Homeservers(Plant::AckBeforeCommit),
        &["acknowledged", "enqueued", "order", "queues", "tokens", "unfinished"],
    );
}

#[test]
fn accepting_frames_for_another_destination_is_found() {
    is_found(Bug::Homeservers(Plant::IgnoreDestination), &["refused"]);
}

#[test]
fn accepting_entries_at_any_position_is_found() {
    is_found(Bug::Homeservers(Plant::IgnorePosition), &["enqueued"]);
}

#[test]
fn accepting_spent_tokens_is_found() {
    is_found(Bug::Homeservers(Plant::ReuseNullifier), &["tokens", "refused"]);
}

#[test]
fn letting_unbound_configurations_authorise_everything_is_found() {
    is_found(Bug::Homeservers(Plant::UnboundForever), &["refused"]);
}

#[test]
fn queues_that_go_on_as_they_are_after_a_restoration_are_found() {
    is_found(Bug::Homeservers(Plant::KeepGeneration), &["acknowledged", "queues", "repaired", "unfinished"]);
}

#[test]
fn nonces_that_are_used_again_after_a_restoration_are_found() {
    is_found(Bug::Homeservers(Plant::FixedNonce), &["reuse"]);
}

#[test]
fn clients_that_send_before_they_save_are_found() {
    is_found(
        Bug::Clients(ClientPlant::SaveAfterRequest),
        &["duplicates", "queues", "restored", "unfinished"],
    );
}

#[test]
fn clients_that_go_on_with_a_saved_generator_are_found() {
    is_found(Bug::Clients(ClientPlant::SavedGenerator), &["restored"]);
}

#[test]
fn clients_that_forget_events_before_they_show_them_are_found() {
    is_found(Bug::Clients(ClientPlant::ConfirmBeforeShown), &["acknowledged", "refused", "unfinished"]);
}
