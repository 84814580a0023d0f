//! What is printed of a failure: names of the plan, no routine, what should have happened, and a command that
//! repeats it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs,
    process::{self, Command},
    sync::atomic::AtomicU64,
    time::Duration,
};

use phoenix_core::{client::ClientPlant, config::Plant};
use phoenix_sim::{
    generate,
    plan::{Bug, Cryptography, Plan, Settings},
    world::{self, LoggedRun},
};
use serde_json::Value;

/// Returns the first world in which an oracle finds the bug.
fn found(plant: Bug, oracle: &str) -> (Settings, LoggedRun) {
    let found = (1..500).find_map(|seed| {
        let (plant, span) = (Some(plant), Some(Duration::from_secs(60)));
        let cryptography = Cryptography::Null;
        let settings = Settings { seed, servers: 2, users: 3, messages: 12, span, plant, cryptography };
        let run = world::run_logged(&settings, &AtomicU64::new(0), usize::MAX).unwrap();
        let is_one = run.report.failure.as_ref().is_some_and(|failure| failure.oracle == oracle);
        is_one.then_some((settings, run))
    });
    found.expect("one of the seeds finds the bug")
}

fn lost_message() -> (Settings, LoggedRun) {
    found(Bug::Clients(ClientPlant::ConfirmBeforeShown), "acknowledged")
}

fn simulator(arguments: &str) -> (Option<i32>, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_phoenix-sim")).args(arguments.split(' ')).output().unwrap();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

/// Asserts that every id is named as in the plan, and that nothing is shown that tells nothing.
fn assert_readable(LoggedRun { report, log }: &LoggedRun) {
    let failure = report.failure.as_ref().unwrap();
    let text = failure.to_string();
    let words: Vec<&str> = text.split(|character: char| !character.is_ascii_alphanumeric()).collect();
    let is_id = |word: &&&str| word.len() >= 16 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert_eq!(words.iter().find(is_id), None, "{text}");
    for raw in [".example", "machine", "UserId", " GroupId", "QsClientId", "OperationId", "EventId", "…@"] {
        assert!(!text.contains(raw), "{raw}: {text}");
    }
    // The last event is shown whatever it is: twice, in the chain and among the last ones.
    for line in failure.chain.iter().filter(|line| !line.ends_with("has everything settled?")) {
        let tells = |words: &[&str]| words.iter().any(|word| line.contains(word));
        assert!(!line.contains("looks for timers") || tells(&["it finds the timer"]), "{line}");
        if let Some((_, call)) = line.trim_end_matches(" has no answer").rsplit_once(" call ")
            && line.ends_with(" has no answer")
        {
            let answer = log.iter().position(|other| other.contains(&format!(" call {call} is answered")));
            let timeout = log.iter().position(|other| other == line);
            assert!(answer.is_none_or(|answer| Some(answer) > timeout), "{line}");
        }
        assert!(!line.contains("wakes") || tells(&["; call", "saves", "crashes"]), "{line}");
        let is_read = line.contains("has read") && !line.contains(';');
        assert!(!is_read, "{line}");
    }
}

#[test]
fn a_lost_message_is_told_stage_by_stage() {
    let (settings, run) = lost_message();
    assert_readable(&run);
    let report = run.report;
    let failure = report.failure.as_ref().unwrap();
    let text = report.to_string();
    assert!(text.contains("What should have happened: The client of user "), "{text}");
    assert!(failure.should.contains("message, which was returned to it as entry "), "{text}");
    let reached: Vec<bool> = failure.journey.iter().map(|stage| !stage.contains("not reached")).collect();
    assert_eq!(reached.last(), Some(&false), "{text}");
    assert!(reached.len() >= 4 && reached[..reached.len() - 1].iter().all(|reached| *reached), "{text}");
    // The first chain ends with the event in which the last stage was reached: the answer to the client.
    let until = failure.chain.iter().position(|line| line.starts_with("What happened next")).unwrap();
    let number = |line: &str| line.split_whitespace().nth(2).map(str::to_owned);
    assert_eq!(number(&failure.chain[until - 1]), number(&failure.journey[reached.len() - 2]), "{text}");
    assert!(failure.chain[until - 1].contains("is answered"), "{text}");
    assert!(text.contains(&format!("Repeat it by: phoenix-sim run --seed {} --servers 2", settings.seed)));
}

#[test]
fn a_doubled_entry_names_the_message_and_both_entries() {
    let (_, run) = found(Bug::Homeservers(Plant::IgnorePosition), "enqueued");
    assert_readable(&run);
    let failure = run.report.failure.as_ref().unwrap();
    assert!(failure.what.starts_with("the queue of user ") && failure.what.contains("; look at position "));
    assert!(
        failure.journey.iter().any(|stage| stage.contains("entered into the queue of user")),
        "{failure}"
    );
    assert!(failure.journey.iter().any(|stage| stage.contains("entered once more, as entry")), "{failure}");
}

#[test]
fn other_failures_are_readable_too() {
    let plants = [
        (Bug::Homeservers(Plant::SkipSignature), "refused"),
        (Bug::Homeservers(Plant::AckBeforeCommit), "order"),
        (Bug::Clients(ClientPlant::ShowAnew), "duplicates"),
    ];
    for (plant, oracle) in plants {
        let (_, run) = found(plant, oracle);
        assert_readable(&run);
        let failure = run.report.failure.as_ref().unwrap();
        assert!(failure.should.ends_with('.'), "{failure}");
    }
}

#[test]
fn the_command_of_a_failure_repeats_it() {
    let (_, LoggedRun { report, .. }) = lost_message();
    let failure = report.failure.as_ref().unwrap();
    let arguments = failure.repeat.as_ref().unwrap().strip_prefix("phoenix-sim ").unwrap();
    let (code, again) = simulator(&format!("{arguments} --json"));
    assert_eq!(code, Some(1));
    assert_eq!(again, serde_json::to_value(&report).unwrap());
}

#[test]
fn the_plan_that_a_failure_writes_repeats_it() {
    let (settings, LoggedRun { report, .. }) = lost_message();
    let failure = report.failure.as_ref().unwrap();
    let arguments = failure.repeat.as_ref().unwrap().strip_prefix("phoenix-sim ").unwrap();
    let file = std::env::temp_dir().join(format!("phoenix-sim-plan-{}.toml", process::id()));
    simulator(&format!("{arguments} --json --write-plan {}", file.display()));
    let plan = Plan::from_text(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(format!("{plan:?}"), format!("{:?}", generate::plan(&settings)));
    let (code, again) = simulator(&format!("run --json --plan {}", file.display()));
    fs::remove_file(&file).unwrap();
    assert_eq!(code, Some(1));
    assert_eq!(again["trace_hash"], Value::String(report.trace_hash.clone()));
    assert_eq!(again["failure"]["repeat"], format!("phoenix-sim run --plan {}", file.display()));
    assert_eq!(again["failure"]["what"], Value::String(failure.what.clone()));
}

#[test]
fn every_bug_that_can_be_planted_is_part_of_the_command() {
    let homeservers = [
        Plant::SkipSignature,
        Plant::AckBeforeCommit,
        Plant::IgnoreDestination,
        Plant::IgnorePosition,
        Plant::ReuseNullifier,
        Plant::UnboundForever,
    ];
    let clients =
        [ClientPlant::SaveAfterRequest, ClientPlant::SavedGenerator, ClientPlant::ConfirmBeforeShown];
    let bugs = homeservers.map(Bug::Homeservers).into_iter().chain(clients.map(Bug::Clients));
    for plant in bugs.map(Some).chain([None]) {
        let cryptography = Cryptography::Null;
        let settings = Settings {
            seed: 9,
            servers: 1,
            users: 2,
            messages: 0,
            plant,
            cryptography,
            ..Settings::default()
        };
        let command = phoenix_sim::plan::text::run_command(&settings);
        let arguments = command.strip_prefix("phoenix-sim run ").unwrap();
        // The same settings as a plan: what the command line makes of the arguments.
        let mut simulator = Command::new(env!("CARGO_BIN_EXE_phoenix-sim"));
        let output = simulator.arg("plan").args(arguments.split(' ')).output().unwrap();
        let plan = Plan::from_text(&String::from_utf8(output.stdout).unwrap());
        assert_eq!(plan.unwrap().settings, settings, "{command}");
    }
}
