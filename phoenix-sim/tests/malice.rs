//! Every check that an attack of a malicious client stands for is what refuses it: without the check, the oracle
//! `refused` fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use phoenix_core::{client::ClientPlant, config::Plant, time::MINUTE};
use phoenix_sim::{
    plan::{Bug, Cryptography, Settings},
    report::Report,
    world,
};

/// All attacks of malicious clients, with what comes of them where they reach a homeserver that is not too busy.
const ATTACKS: &[(&str, &[&str])] = &[
    (
        "refused",
        &[
            "wrong key",
            "another's name",
            "no signature",
            "another kind of sender",
            "signature on another body",
            "signature on another operation",
            "signature for another homeserver",
            "request of the past",
            "request of the future",
            "known id and token",
            "no token",
            "spent token",
            "token of another homeserver",
            "forged token",
            "federated token",
            "tokens of another scope",
            "another's direct queue",
            "packages for another",
            "packages of another",
            "registered again",
            "registration finished again",
            "another's credential",
            "package of no one",
            "request to no one",
            "another's queue",
            "another's signals",
            "no friend",
            "packages under another token",
            "key package named twice",
            "no last resort",
            "no admin",
            "unsigned batch",
            "another's commit",
            "no commit",
            "no member",
            "no group key",
            "information for no member",
            "join uninvited",
            "not reserved",
            "information for no joiner",
            "message of a past epoch",
            "another group's message",
            "no message",
            "queue at another homeserver",
            "long configuration",
            "byte left over",
            "cut short",
            "question for another homeserver",
            "unknown operation",
            "unknown version",
            "frame of a client",
            "late frame",
            "early frame",
        ],
    ),
    ("its own answer", &["known id", "asks for tokens"]),
    (
        "served",
        &["unreadable connection request", "repeated connection request", "sibling group's configuration"],
    ),
    ("sent", &["damaged Message", "damaged Commit", "damaged Welcome"]),
];

fn run(seed: u64, plant: Option<Plant>) -> Report {
    run_with(seed, plant.map(Bug::Homeservers))
}

fn run_with(seed: u64, plant: Option<Bug>) -> Report {
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

/// Asserts that the oracle `refused` finds the bug in the world of some seed, by an attack whose name is one of
/// these, and that no oracle fails there without it. Where the bug has been used by an honest client or has
/// done harm before it was found by that, others may fail first.
fn is_refused_by(plant: Plant, attacks: &[&str]) {
    let found = (1..500).find_map(|seed| {
        let failure = run(seed, Some(plant)).failure?;
        let is_aimed_at = attacks.iter().any(|attack| failure.what.starts_with(attack));
        (failure.oracle == "refused" && is_aimed_at).then_some(seed)
    });
    let seed = found.expect("one of the seeds finds the bug");
    let report = run(seed, None);
    assert!(report.passed(), "{report}");
}

#[test]
fn every_attack_happens_and_has_the_outcome_that_it_must() {
    let expected =
        ATTACKS.iter().flat_map(|(outcome, names)| names.iter().map(move |name| (*name, *outcome)));
    let mut left: BTreeSet<String> = expected.map(|(name, outcome)| format!("{name}: {outcome}")).collect();
    for seed in 1..=60 {
        let settings = Settings {
            seed,
            servers: 2,
            users: 4,
            messages: 30,
            span: Some(MINUTE / 2),
            plant: None,
            cryptography: Cryptography::Null,
        };
        let report = world::run(&settings).unwrap();
        assert!(report.passed(), "{report}");
        left.retain(|attack| !report.attempts.contains_key(attack));
        if left.is_empty() {
            return;
        }
    }
    panic!("these attacks have not had their outcome: {left:?}");
}

#[test]
fn passing_over_what_cannot_be_read_in_silence_is_found() {
    let plant = Some(Bug::Clients(ClientPlant::HideUnreadable));
    let (seed, failure) = (1..500).find_map(|seed| Some((seed, run_with(seed, plant).failure?))).unwrap();
    assert_eq!(failure.oracle, "malformed", "{failure}");
    assert!(run(seed, None).passed());
}

#[test]
fn accepting_any_signature_is_found() {
    is_refused_by(Plant::SkipAuthentication, &["wrong key", "another's name", "another's queue"]);
}

#[test]
fn trusting_a_signature_on_whatever_it_is_put_is_found() {
    is_refused_by(Plant::TrustKnownSignatures, &["signature on another"]);
}

#[test]
fn accepting_requests_of_any_time_is_found() {
    is_refused_by(Plant::IgnoreRequestTime, &["request of the past", "request of the future"]);
}

#[test]
fn accepting_frames_of_any_time_is_found() {
    is_refused_by(Plant::IgnoreFrameTime, &["late frame", "early frame"]);
}

#[test]
fn taking_federated_tokens_for_local_ones_is_found() {
    is_refused_by(Plant::IgnoreTokenScope, &["federated token"]);
}

#[test]
fn taking_forged_tokens_is_found() {
    is_refused_by(Plant::SkipTokenCheck, &["forged token"]);
}

#[test]
fn letting_everyone_read_direct_queues_is_found() {
    is_refused_by(Plant::IgnoreQueueOwner, &["another's direct queue"]);
}

#[test]
fn taking_connection_packages_of_others_is_found() {
    is_refused_by(Plant::IgnorePackageOwner, &["packages of another"]);
}

#[test]
fn handing_out_key_packages_to_everyone_is_found() {
    is_refused_by(Plant::IgnoreFriendshipToken, &["no friend", "packages under another token"]);
}

#[test]
fn creating_groups_that_are_not_reserved_is_found() {
    is_refused_by(Plant::IgnoreReservation, &["not reserved"]);
}

#[test]
fn letting_every_member_add_users_is_found() {
    is_refused_by(Plant::IgnoreRoles, &["no admin"]);
}

#[test]
fn taking_batches_that_no_one_has_signed_is_found() {
    is_refused_by(Plant::SkipBatchSignature, &["unsigned batch"]);
}

#[test]
fn ordering_messages_of_past_epochs_is_found() {
    is_refused_by(Plant::IgnoreEpoch, &["message of a past epoch"]);
}

#[test]
fn ordering_messages_of_other_groups_is_found() {
    is_refused_by(Plant::IgnoreMessageGroup, &["another group's message"]);
}

#[test]
fn delivering_to_another_homeserver_than_before_is_found() {
    is_refused_by(Plant::IgnoreConfigDomain, &["queue at another homeserver"]);
}

#[test]
fn letting_everyone_join_with_the_groups_key_is_found() {
    is_refused_by(Plant::IgnoreAwaiting, &["information for no member", "join uninvited"]);
}

#[test]
fn letting_configurations_of_one_group_authorise_another_is_found() {
    is_refused_by(Plant::IgnoreBinding, &["user", "an unauthorised delivery"]);
}
