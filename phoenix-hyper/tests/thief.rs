//! The command prints the table, for people and for machines.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::Command;

fn thief(arguments: &[&str]) -> String {
    let world = ["thief", "--users", "4", "--groups", "1", "--messages", "1"];
    let output = Command::new(env!("CARGO_BIN_EXE_phoenix")).args(world).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_table_is_for_machines() {
    let table: serde_json::Value = serde_json::from_str(&thief(&["--json"])).unwrap();
    let cells = table["cells"].as_array().unwrap();
    let of = |image: &str| cells.iter().filter(|cell| cell["image"] == image).count();
    assert_eq!((of("one"), of("two"), of("key-file"), cells.len()), (9, 9, 9, 27));
    for cell in cells {
        let [low, score, high] = ["low", "score", "high"].map(|name| cell[name].as_f64().unwrap());
        assert!(-1.0 <= low && low <= score && score <= high && high <= 1.0, "{cell}");
        assert!(
            cell["link"].is_string() && cell["pairs"].is_u64() && cell["co_writing"].is_boolean(),
            "{cell}"
        );
    }
}

#[test]
fn the_table_is_for_people() {
    let table = thief(&["--seed", "2"]);
    assert_eq!(table.lines().count(), 28, "{table}");
    assert!(table.contains("member-member") && table.contains("key-file"), "{table}");
}
