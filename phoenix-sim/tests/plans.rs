//! Plans as text: what is written is read again and gives the same world; people's mistakes are named.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    collections::BTreeSet,
    process::{Command, Output},
    sync::atomic::AtomicU64,
    time::Duration,
};

use phoenix_core::{client::ClientPlant, config::Plant};
use phoenix_sim::{
    generate,
    plan::{Bug, Cryptography, Plan, Settings},
    report::Report,
    world,
};

/// Written by hand.
const BY_HAND: &str = include_str!("plans/two_homeservers.toml");

fn settings(seed: u64, servers: usize, users: usize, messages: usize) -> Settings {
    Settings { seed, servers, users, messages, span: None, plant: None, cryptography: Cryptography::Null }
}

fn run(plan: &Plan) -> Report {
    world::run_plan(plan, String::new(), &AtomicU64::new(0), 0).unwrap().report
}

fn simulator(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_phoenix-sim")).args(arguments).output().unwrap()
}

#[test]
fn generated_plans_are_read_as_they_were_written() {
    let mut faults = BTreeSet::new();
    for seed in 1..=40 {
        let sizes = [(1, 2, 0), (2, 3, 12), (3, 9, 200), (seed as usize % 7 + 1, 30, 50)];
        for (servers, users, messages) in sizes {
            let plants = [
                None,
                Some(Bug::Homeservers(Plant::IgnorePosition)),
                Some(Bug::Clients(ClientPlant::SavedGenerator)),
            ];
            let plant = plants[seed as usize % 3];
            let settings = Settings { plant, ..settings(seed, servers, users, messages) };
            let plan = generate::plan(&settings);
            let text = plan.to_text().unwrap();
            let again = Plan::from_text(&text).unwrap();
            assert_eq!(format!("{again:?}"), format!("{plan:?}"));
            assert_eq!(again.to_text().unwrap(), text);
            let kinds = ["store_restored", "damaged_row", "power_failure", "pause"];
            faults.extend(kinds.into_iter().filter(|kind| text.contains(&format!("kind = {{ {kind} "))));
        }
    }
    assert_eq!(faults.len(), 4, "{faults:?}");
}

#[test]
fn the_world_of_a_plan_that_was_read_is_the_same() {
    for seed in [3, 11, 20] {
        let settings = Settings { cryptography: Cryptography::of_seed(seed), ..settings(seed, 2, 3, 8) };
        let text = generate::plan(&settings).to_text().unwrap();
        let again = run(&Plan::from_text(&text).unwrap());
        assert_eq!(again, world::run(&settings).unwrap());
    }
}

#[test]
fn a_plan_written_by_hand_runs() {
    let plan = Plan::from_text(BY_HAND).unwrap();
    assert_eq!(plan.intents.len(), 18);
    assert_eq!(plan.intents[17].at, Duration::from_secs(78));
    let report = run(&plan);
    assert!(report.passed(), "{report}");
    assert_eq!((report.acknowledged, report.delivered, report.crashes), (10, 20, 1));
}

/// The words of the lines between two, without figures.
fn words(text: &str, from: &str, until: &str) -> Vec<String> {
    let lines = text.lines().skip_while(|line| !line.contains(from)).take_while(|line| !line.contains(until));
    lines.map(|line| line.replace(|character: char| character.is_ascii_digit(), "")).collect()
}

/// The documentation shows a failure. It happens when the client crashes after some of its outputs: after how
/// many may change.
#[test]
fn the_documented_failure_is_found() {
    let printed = include_str!("plans/lost_message.txt");
    let plan = include_str!("plans/lost_message.toml");
    assert!(plan.contains("steps = 3"));
    let shown = |text: &str| words(text, "What should have happened", "What led to it");
    let is_found = (1..12).any(|steps| {
        let plan = Plan::from_text(&plan.replace("steps = 3", &format!("steps = {steps}"))).unwrap();
        let report = run(&plan).to_string();
        !shown(&report).is_empty()
            && shown(&report).iter().map(|line| line.trim()).eq(shown(printed).iter().map(|line| line.trim()))
    });
    assert!(is_found, "{printed}");
}

#[test]
fn what_is_no_plan_is_refused_with_its_place() {
    let refused = [
        ("{ server = 1 }]", "{ server = 2 }]", "users[2]: there is no homeserver 2"),
        ("seed = 7", "sed = 7", "line 3: settings: unknown field `sed`, expected one of `seed`"),
        ("crash =", "flood =", "line 21: faults[0].kind: unknown variant `flood`, expected one of `crash`"),
        ("\"70s\"", "\"70\"", "line 21: faults[0].at: \"70\" is no duration such as"),
        ("\"70s\"", "\"95s\"", "line 21: faults[0]: it begins when the faults have ended"),
        ("\"register\"", "\"regster\"", "line 10: intents[0].action: unknown variant `regster`"),
        ("other = 2", "others = 2", "line 14: intents[4].action.connect: unknown field `others`"),
        ("create_group = { group = 0 }", "create_group = { group = 1 }", "no intent creates group 0"),
        ("times = 10", "times = \"10\"", "line 18: intents[8].times: invalid type"),
        ("two.example", "one.example", "line 6: servers[1]: another homeserver has the same domain"),
        (
            "\"two.example\"",
            "\"two.example\", sizes = { batch = 1 }",
            "servers[1].config.sizes: unknown field",
        ),
        ("{ seed = 7 }", "{ seed = 7, plant = \"flood\" }", "line 3: settings.plant: no such bug"),
        ("faults_end", "end", "line 23: unknown field `end`"),
        ("{ server = 1 }]", "{ server = 1 }", "line 9: missing comma"),
    ];
    for (from, to, expected) in refused {
        assert!(BY_HAND.contains(from), "{from}");
        let error = Plan::from_text(&BY_HAND.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(expected), "{from} → {to}: {error}");
    }
}

#[test]
fn the_command_line_prints_and_runs_plans() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/plans/two_homeservers.toml");
    let ran = simulator(&["run", "--plan", file]);
    assert!(ran.status.success(), "{ran:?}");
    let printed = simulator(&["plan", "--seed", "7", "--servers", "2", "--users", "3", "--messages", "4"]);
    let plan = Plan::from_text(&String::from_utf8(printed.stdout).unwrap()).unwrap();
    assert_eq!(format!("{plan:?}"), format!("{:?}", generate::plan(&settings(7, 2, 3, 4))));

    for arguments in [["--plan", file, "--seed", "7"], ["--plan", file, "--seeds", "7"]] {
        let both = simulator(&[&["run"], &arguments[..]].concat());
        assert_eq!(both.status.code(), Some(2), "{both:?}");
    }
    let absent = simulator(&["run", "--plan", "no/such/file"]);
    assert_eq!(absent.status.code(), Some(2), "{absent:?}");
    assert!(String::from_utf8(absent.stderr).unwrap().contains("cannot read no/such/file"));
}
