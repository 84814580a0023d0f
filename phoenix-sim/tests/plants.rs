//! Every planted bug is found, and every oracle finds one: an oracle that cannot fail proves nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use phoenix_core::{client::ClientPlant, config::Plant};
use phoenix_sim::{
    oracle,
    plan::{Bug, Cryptography, Settings},
    report::Report,
    world,
};

/// How large a world must be for a bug to do harm.
#[derive(Clone, Copy)]
struct Size {
    servers: usize,
    users: usize,
    messages: usize,
}

const SMALL: Size = Size { servers: 2, users: 3, messages: 12 };

/// Many users of one homeserver need tokens of the other.
const CROWDED: Size = Size { servers: 2, users: 6, messages: 2 };

/// Each user needs many tokens.
const TALKATIVE: Size = Size { servers: 1, users: 6, messages: 60 };

fn run(seed: u64, size: Size, plant: Option<Bug>) -> Report {
    let Size { servers, users, messages } = size;
    world::run(&Settings { seed, servers, users, messages, plant, cryptography: Cryptography::Null }).unwrap()
}

/// Asserts that one of these oracles finds the bug in the world of some seed, and that no oracle fails there
/// without it.
fn is_found(plant: Bug, size: Size, oracles: &[&str]) {
    let found = (1..500).find_map(|seed| {
        let report = run(seed, size, Some(plant));
        let failure = report.failure?;
        assert!(oracles.contains(&failure.oracle.as_str()), "seed {seed}: {failure}");
        Some(seed)
    });
    let seed = found.expect("one of the seeds finds the bug");
    let report = run(seed, size, None);
    assert!(report.passed(), "{report}");
}

macro_rules! plants {
    ($($test:ident: $who:ident($plant:ident::$name:ident), $size:ident => [$($oracle:literal),+];)+) => {
        $(#[test]
        fn $test() {
            is_found(Bug::$who($plant::$name), $size, &[$($oracle),+]);
        })+

        /// The oracles that find a bug. Without a line for each bug, this does not compile.
        const fn found_by(plant: Bug) -> &'static [&'static str] {
            match plant {
                $(Bug::$who($plant::$name) => &[$($oracle),+],)+
            }
        }

        const PLANTS: &[Bug] = &[$(Bug::$who($plant::$name)),+];
    };
}

// A line for each bug: what goes wrong, its name, the worlds in which it does harm, and the oracles that find
// it. All others must not.
plants! {
    // Homeservers.
    accepting_frames_without_a_valid_signature: Homeservers(Plant::SkipSignature), SMALL => ["refused"];
    accepting_frames_for_another_destination: Homeservers(Plant::IgnoreDestination), SMALL => ["refused"];
    letting_unbound_configurations_authorise_everything:
        Homeservers(Plant::UnboundForever), SMALL => ["refused"];
    accepting_entries_at_any_position: Homeservers(Plant::IgnorePosition), SMALL => ["enqueued"];
    accepting_spent_tokens: Homeservers(Plant::ReuseNullifier), SMALL => ["tokens"];
    not_pinning_groups: Homeservers(Plant::ForgetPin), SMALL => ["queues"];
    ending_timers_with_each_commit: Homeservers(Plant::EndTimer), SMALL => ["waiting"];
    not_waking_timers_again: Homeservers(Plant::ForgetWake), SMALL => ["effects"];
    not_signalling_clients: Homeservers(Plant::ForgetSignal), SMALL => ["effects"];
    keeping_packages_that_are_handed_out: Homeservers(Plant::KeepPackage), SMALL => ["counted"];
    keeping_entries_that_are_accepted: Homeservers(Plant::KeepAccepted), SMALL => ["drained"];
    answering_with_the_position_before: Homeservers(Plant::EarlierPosition), SMALL => ["order"];
    never_rotating_queues: Homeservers(Plant::NeverRotate), SMALL => ["secrecy"];
    keeping_the_seeds_of_streams: Homeservers(Plant::KeepSeed), SMALL => ["secrecy"];
    keeping_the_first_ratchet_key_of_a_stream: Homeservers(Plant::KeepChain), SMALL => ["secrecy"];
    ending_no_epoch_of_a_stream: Homeservers(Plant::EndlessEpoch), SMALL => ["secrecy"];
    not_saying_when_keys_expire: Homeservers(Plant::ForgetExpiry), SMALL => ["kept"];
    not_counting_the_tokens_of_a_client: Homeservers(Plant::UncountedClient), TALKATIVE => ["allowances"];
    not_counting_the_tokens_of_a_domain: Homeservers(Plant::UncountedDomain), CROWDED => ["allowances"];
    not_counting_the_tokens_of_new_domains:
        Homeservers(Plant::UncountedNewDomains), CROWDED => ["allowances"];

    // Clients.
    going_on_with_a_saved_generator: Clients(ClientPlant::SavedGenerator), SMALL => ["restored"];
    showing_messages_at_once_or_never: Clients(ClientPlant::ForgetMessage), SMALL => ["acknowledged"];
    showing_events_again_as_new_ones: Clients(ClientPlant::ShowAnew), SMALL => ["duplicates"];
    not_taking_in_joiners: Clients(ClientPlant::ForgetJoiners), SMALL => ["epochs"];
    telling_the_end_of_an_intent_at_once_or_never: Clients(ClientPlant::ForgetEnd), SMALL => ["unfinished"];

    // These break a rule that everything rests on, so that any of several oracles may be the first to notice.
    answering_before_the_commit_is_durable: Homeservers(Plant::AckBeforeCommit), SMALL
        => ["acknowledged", "enqueued", "order", "queues", "tokens", "unfinished"];
    sending_before_saving: Clients(ClientPlant::SaveAfterRequest), SMALL
        => ["duplicates", "queues", "restored", "unfinished"];
    forgetting_events_before_they_are_shown: Clients(ClientPlant::ConfirmBeforeShown), SMALL
        => ["acknowledged", "refused", "unfinished"];
}

#[test]
fn every_oracle_finds_a_bug_that_no_other_finds() {
    for oracle in oracle::NAMES {
        let aimed = PLANTS.iter().filter(|plant| found_by(**plant) == [oracle]);
        assert!(aimed.count() > 0, "no bug is aimed at {oracle} alone");
    }
}
