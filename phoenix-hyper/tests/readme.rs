//! The README's table of operations agrees with the dispatch.
#![allow(clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};

use phoenix_core::wire::operations::OperationKind;

/// Operations without a request of their own: the homeserver performs them itself.
const WITHIN: [&str; 1] = ["enqueue"];

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for character in name.chars() {
        if character.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(character.to_lowercase());
    }
    snake
}

/// The operations in the README's table, and whether they are served.
fn table() -> BTreeMap<String, bool> {
    let readme = include_str!("../../README.md");
    let lines = readme.lines().skip_while(|line| !line.starts_with("## Status"));
    let rows = lines.filter(|line| {
        line.starts_with("| AS |") || line.starts_with("| QS |") || line.starts_with("| DS |")
    });
    let mut table = BTreeMap::new();
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let served = match cells[2] {
            "served" => true,
            "not yet" => false,
            other => panic!("{other:?} is not a status"),
        };
        for name in cells[3].split('`').skip(1).step_by(2) {
            assert!(table.insert(name.to_owned(), served).is_none(), "{name} comes twice");
        }
    }
    table
}

#[test]
fn the_status_table_is_true() {
    let table = table();
    let served: BTreeSet<String> =
        table.iter().filter(|(_, served)| **served).map(|(name, _)| name.clone()).collect();
    let dispatched = OperationKind::ALL.iter().map(|kind| snake_case(&format!("{kind:?}")));
    let dispatched: BTreeSet<String> = dispatched.chain(WITHIN.map(str::to_owned)).collect();
    assert_eq!(served, dispatched);
    assert!(table.len() > served.len(), "the table also lists operations that are not served yet");
}
