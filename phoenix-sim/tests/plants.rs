//! Every planted bug is found, and every oracle finds one: an oracle that cannot fail proves nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::atomic::AtomicU64,
    time::Duration,
};

use phoenix_core::{client::ClientPlant, config::Plant, time::MINUTE};
use phoenix_sim::{
    generate, oracle,
    plan::{Bug, Cryptography, DeviceCopy, Fault, FaultKind, Plan, Settings},
    report::Report,
    world,
};

/// How large a world must be for a bug to do harm.
#[derive(Clone, Copy)]
struct Size {
    servers: usize,
    users: usize,
    messages: usize,
    trouble: Trouble,
}

/// What goes wrong in a world.
#[derive(Clone, Copy)]
enum Trouble {
    /// Whatever the generator thinks of.
    Any,
    /// Nothing.
    Nothing,
    /// Clients go back to older copies of their devices, and nothing else.
    OlderCopies,
    /// Stores are restored from backups, and nothing else.
    Backups,
}

const SMALL: Size = Size { servers: 2, users: 3, messages: 12, trouble: Trouble::Any };

/// Many users of one homeserver need tokens of the other.
const CROWDED: Size = Size { servers: 2, users: 6, messages: 2, trouble: Trouble::Any };

/// Each user needs many tokens.
const TALKATIVE: Size = Size { servers: 1, users: 6, messages: 60, trouble: Trouble::Any };

/// Clients forget what they have done.
const FORGETFUL: Size = Size { trouble: Trouble::OlderCopies, ..SMALL };

/// Nothing else is in the place of what a bug replaces.
const UNTROUBLED: Size = Size { trouble: Trouble::Nothing, ..SMALL };

/// Homeservers forget what they have done.
const BACKED_UP: Size = Size { trouble: Trouble::Backups, ..SMALL };

fn run(seed: u64, size: Size, plant: Option<Bug>) -> Report {
    let Size { servers, users, messages, trouble } = size;
    let (span, cryptography) = (Some(MINUTE / 2), Cryptography::Null);
    let settings = Settings { seed, servers, users, messages, span, plant, cryptography };
    let plan = match trouble {
        Trouble::Any => generate::plan(&settings),
        Trouble::Nothing => generate::plain(&settings),
        Trouble::OlderCopies => Plan { faults: older_copies(seed, users), ..generate::plain(&settings) },
        Trouble::Backups => Plan { faults: backups(seed), ..generate::plain(&settings) },
    };
    world::run_plan(&plan, String::new(), &AtomicU64::new(0), 0).unwrap().report
}

/// One after the other, users' clients crash and are restored from copies that are some seconds old.
fn older_copies(seed: u64, users: usize) -> Vec<Fault> {
    let crash = |number: u64| {
        let copy = DeviceCopy::Older(Duration::from_secs(1 + number % 20));
        let kind = FaultKind::ClientCrash { user: number as usize % users, steps: number % 8, copy };
        Fault { at: Duration::from_secs(10 + seed % 7 + 6 * number), lasts: MINUTE / 60, kind }
    };
    (0..12).map(crash).collect()
}

/// While messages are sent, both homeservers' stores are restored from copies that are some seconds old.
fn backups(seed: u64) -> Vec<Fault> {
    let restored = |server: u64| {
        let kind =
            FaultKind::StoreRestored { server: server as usize, age: Duration::from_secs(5 + seed % 20) };
        Fault { at: Duration::from_secs(70 + 8 * server + seed % 5), lasts: MINUTE / 60, kind }
    };
    [0, 1].map(restored).into()
}

/// Asserts that one of these oracles finds the bug in the world of some seed, and that no oracle fails there
/// without it.
fn is_found(plant: Bug, size: Size, oracles: &[&str]) {
    let found = (1..500).find_map(|seed| {
        let report = run(seed, size, Some(plant));
        let failure = report.failure?;
        assert!(oracles.contains(&failure.oracle.as_str()), "seed {seed}: {failure}");
        assert!(failure.should.ends_with('.'), "seed {seed}: {failure}");
        Some(seed)
    });
    let seed = found.expect("one of the seeds finds the bug");
    let report = run(seed, size, None);
    assert!(report.passed(), "{report}");
}

macro_rules! plants {
    ($(fn $test:ident() {
        $who:ident($plant:ident::$name:ident), $size:ident => [$($oracle:literal),+]
    })+) => {
        $(#[test]
        fn $test() {
            is_found(Bug::$who($plant::$name), $size, &[$($oracle),+]);
        })+

        /// The oracles that find a bug. If one of the bugs is not in the list below, this does not compile.
        const fn found_by(plant: Bug) -> &'static [&'static str] {
            match plant {
                $(Bug::$who($plant::$name) => &[$($oracle),+],)+
                // Each found by the attack that is aimed at it: see `tests/malice.rs`.
                Bug::Homeservers(
                    Plant::AnswersByRequestId
                    | Plant::IgnoreAwaiting
                    | Plant::IgnoreBinding
                    | Plant::IgnoreConfigDomain
                    | Plant::IgnoreEpoch
                    | Plant::IgnoreFrameTime
                    | Plant::IgnoreFriendshipToken
                    | Plant::IgnoreMessageGroup
                    | Plant::IgnorePackageOwner
                    | Plant::IgnoreQueueOwner
                    | Plant::IgnoreRequestTime
                    | Plant::IgnoreReservation
                    | Plant::IgnoreRoles
                    | Plant::IgnoreTokenScope
                    | Plant::SkipAuthentication
                    | Plant::SkipBatchSignature
                    | Plant::SkipTokenCheck
                    | Plant::TrustKnownSignatures,
                ) => &["refused"],
            }
        }

        const PLANTS: &[Bug] = &[$(Bug::$who($plant::$name)),+];
    };
}

// Each bug, the worlds in which it does harm, and the oracles that find it. All others must not.
plants! {
    // Homeservers.
    fn accepting_frames_without_a_valid_signature_is_found() {
        Homeservers(Plant::SkipSignature), SMALL => ["refused"]
    }
    fn accepting_frames_for_another_destination_is_found() {
        Homeservers(Plant::IgnoreDestination), SMALL => ["refused"]
    }
    fn letting_unbound_configurations_authorise_everything_is_found() {
        Homeservers(Plant::UnboundForever), SMALL => ["refused"]
    }
    fn accepting_entries_at_any_position_is_found() {
        Homeservers(Plant::IgnorePosition), SMALL => ["enqueued"]
    }
    fn accepting_spent_tokens_is_found() {
        Homeservers(Plant::ReuseNullifier), SMALL => ["tokens"]
    }
    fn not_pinning_groups_is_found() {
        Homeservers(Plant::ForgetPin), UNTROUBLED => ["queues"]
    }
    fn ending_timers_with_each_commit_is_found() {
        Homeservers(Plant::EndTimer), SMALL => ["waiting"]
    }
    fn not_waking_timers_again_is_found() {
        Homeservers(Plant::ForgetWake), SMALL => ["effects"]
    }
    fn not_signalling_clients_is_found() {
        Homeservers(Plant::ForgetSignal), SMALL => ["effects"]
    }
    fn keeping_packages_that_are_handed_out_is_found() {
        Homeservers(Plant::KeepPackage), SMALL => ["counted"]
    }
    fn keeping_entries_that_are_accepted_is_found() {
        Homeservers(Plant::KeepAccepted), SMALL => ["drained"]
    }
    fn answering_with_the_position_before_is_found() {
        Homeservers(Plant::EarlierPosition), SMALL => ["order"]
    }
    fn never_rotating_queues_is_found() {
        Homeservers(Plant::NeverRotate), SMALL => ["secrecy"]
    }
    fn keeping_the_seeds_of_streams_is_found() {
        Homeservers(Plant::KeepSeed), SMALL => ["secrecy"]
    }
    fn keeping_the_first_ratchet_key_of_a_stream_is_found() {
        Homeservers(Plant::KeepChain), SMALL => ["secrecy"]
    }
    fn ending_no_epoch_of_a_stream_is_found() {
        Homeservers(Plant::EndlessEpoch), SMALL => ["secrecy"]
    }
    fn not_saying_when_keys_expire_is_found() {
        Homeservers(Plant::ForgetExpiry), SMALL => ["kept"]
    }
    fn not_counting_the_tokens_of_a_client_is_found() {
        Homeservers(Plant::UncountedClient), TALKATIVE => ["allowances"]
    }
    fn not_counting_the_tokens_of_a_domain_is_found() {
        Homeservers(Plant::UncountedDomain), CROWDED => ["allowances"]
    }
    fn not_counting_the_tokens_of_new_domains_is_found() {
        Homeservers(Plant::UncountedNewDomains), CROWDED => ["allowances"]
    }
    fn carrying_more_recipients_than_are_concerned_is_found() {
        Homeservers(Plant::ExtraRecipients), SMALL => ["misdelivered"]
    }
    fn going_on_with_restored_queues_as_they_are_is_found() {
        Homeservers(Plant::KeepGeneration), BACKED_UP => ["repaired"]
    }
    fn using_nonces_again_is_found() {
        Homeservers(Plant::FixedNonce), BACKED_UP => ["reuse"]
    }
    fn refusing_requests_that_are_a_little_ahead_is_found() {
        Homeservers(Plant::NoFuture), SMALL => ["refusals"]
    }

    // Clients.
    fn clients_that_ask_at_home_are_found() {
        Clients(ClientPlant::AskAtHome), SMALL => ["misdelivered"]
    }
    fn clients_that_hide_what_they_cannot_read_are_found() {
        Clients(ClientPlant::HideUnreadable), SMALL => ["malformed"]
    }
    fn clients_that_go_on_with_a_saved_generator_are_found() {
        Clients(ClientPlant::SavedGenerator), FORGETFUL => ["restored"]
    }
    fn clients_that_show_messages_at_once_or_never_are_found() {
        Clients(ClientPlant::ForgetMessage), SMALL => ["acknowledged"]
    }
    fn clients_that_show_events_again_as_new_ones_are_found() {
        Clients(ClientPlant::ShowAnew), SMALL => ["duplicates"]
    }
    fn clients_that_do_not_take_in_joiners_are_found() {
        Clients(ClientPlant::ForgetJoiners), SMALL => ["epochs"]
    }
    fn clients_that_tell_the_end_of_an_intent_at_once_or_never_are_found() {
        Clients(ClientPlant::ForgetEnd), SMALL => ["unfinished"]
    }

    // These break a rule that everything rests on, so that any of several oracles may be the first to notice.
    fn answering_before_the_commit_is_durable_is_found() {
        Homeservers(Plant::AckBeforeCommit), SMALL
            => ["refusals", "acknowledged", "enqueued", "order", "queues", "tokens", "unfinished"]
    }
    fn clients_that_send_before_they_save_are_found() {
        Clients(ClientPlant::SaveAfterRequest), SMALL
            => ["duplicates", "queues", "refusals", "restored", "unfinished"]
    }
    fn clients_that_forget_events_before_they_show_them_are_found() {
        Clients(ClientPlant::ConfirmBeforeShown), SMALL => ["acknowledged", "refused", "unfinished"]
    }
}

#[test]
fn every_oracle_finds_a_bug_that_no_other_finds() {
    for oracle in oracle::NAMES {
        let aimed = PLANTS.iter().filter(|plant| found_by(**plant) == [oracle]);
        assert!(aimed.count() > 0, "no bug is aimed at {oracle} alone");
    }
}

/// Returns the names that follow `marker` in a text, up to the next quotation mark.
fn quoted<'a>(text: &'a str, marker: &'a str) -> impl Iterator<Item = &'a str> {
    text.match_indices(marker).filter_map(|(at, _)| text[at + marker.len()..].split('"').next())
}

#[test]
fn every_violation_names_one_of_the_oracles() {
    let rooms = ["src/oracle", "src/world"].map(|room| Path::new(env!("CARGO_MANIFEST_DIR")).join(room));
    let inside = |folder: &PathBuf| fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let files = rooms.iter().flat_map(inside);
    let files = files.flat_map(|file| if file.is_dir() { inside(&file).collect() } else { vec![file] });
    let mut found = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        for marker in ["Violation::now(\"", "Violation::since(\"", "oracle: \""] {
            found.extend(quoted(&text, marker).map(str::to_owned));
        }
    }
    // The names that are found, and no other ones: what is here in vain is no oracle.
    let names: BTreeSet<String> = oracle::NAMES.map(str::to_owned).into();
    assert_eq!(found, names);
}
