//! The demonstration holds. With any of the checks that it shows disabled, it fails and names the step.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::{Command, Output};

fn demo(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_phoenix")).arg("demo").args(arguments).output().unwrap()
}

fn figures(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn every_step_holds() {
    let output = demo(&["--json"]);
    let figures = figures(&output);
    assert!(output.status.success(), "{figures}");
    assert_eq!((&figures["lost"], &figures["duplicated"]), (&0.into(), &0.into()));
    assert!(figures["delivered"].as_u64().unwrap() > 0);
    let refused = &figures["refused"];
    for (attack, answer) in [("forged_source", "704"), ("redirected_frame", "700"), ("spent_token", "303")] {
        assert_eq!(refused[attack], answer, "{figures}");
    }
    assert!(refused["replayed_frame"].as_str().unwrap().starts_with("passed over"), "{figures}");
    assert!(refused["foreign_configuration"].as_str().unwrap().starts_with("gap 4"), "{figures}");
    assert!(figures["failed"].is_null());
}

#[test]
fn the_story_is_for_people() {
    let output = demo(&[]);
    let story = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{story}");
    assert!(story.contains("b is killed while alice writes"), "{story}");
    assert!(story.contains("5 of 5 attacks came to nothing"), "{story}");
}

/// Plants a bug. The demonstration must fail at one of these steps.
#[cfg(feature = "plant")]
fn is_found(plant: &str, steps: &[&str]) {
    let output = demo(&["--json", "--plant", plant]);
    let figures = figures(&output);
    assert_eq!(output.status.code(), Some(1), "{figures}");
    let step = figures["failed"]["step"].as_str().unwrap();
    assert!(steps.iter().any(|expected| step.contains(expected)), "{figures}");
}

#[cfg(feature = "plant")]
#[test]
fn signatures_that_are_not_checked() {
    is_found("skip_signature", &["in a's name"]);
}

#[cfg(feature = "plant")]
#[test]
fn answers_before_the_commit_is_durable() {
    is_found("ack_before_commit", &["b is killed while alice writes"]);
}

#[cfg(feature = "plant")]
#[test]
fn destinations_that_are_not_checked() {
    is_found("ignore_destination", &["a frame that b made for evil"]);
}

#[cfg(feature = "plant")]
#[test]
fn positions_that_are_not_checked() {
    is_found("ignore_position", &["that was delivered before"]);
}

#[cfg(feature = "plant")]
#[test]
fn tokens_that_are_spent_again() {
    is_found("reuse_nullifier", &["spends a token"]);
}

#[cfg(feature = "plant")]
#[test]
fn configurations_that_authorise_everything() {
    is_found("unbound_forever", &["a queue configuration of bob's"]);
}
