//! What the documents name of the code: files and tests that are there.
#![allow(clippy::disallowed_methods, reason = "reads the project's own source")]

use std::{collections::BTreeSet, fs, path::Path};

use super::citations::sources;

/// The documents, and the folders that their paths may begin in.
const DOCUMENTS: &[&str] = &[
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "phoenix-core/PROTOCOL.md",
    "phoenix-core/KEYSPACE.md",
    "phoenix-core/CLIENT_KEYSPACE.md",
    "phoenix-core/vectors/README.md",
];
const FOLDERS: &[&str] =
    &["", "phoenix-core", "phoenix-core/src", "phoenix-hyper", "phoenix-hyper/src", "phoenix-sim"];

/// Stand for any file or folder of that name.
const PATTERNS: &[&str] = &["mod.rs", "name.rs", "name/mod.rs", "room/tests/", "name/"];

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|character| character.is_ascii_alphanumeric() || "_-./".contains(character))
}

/// Whether a text between code marks is a path of this project.
fn is_path(text: &str) -> bool {
    let file = [".rs", ".md", ".toml", ".json"].iter().any(|ending| text.ends_with(ending));
    is_word(text) && !PATTERNS.contains(&text) && (file && text.contains('/') || text.ends_with(".rs"))
}

#[test]
fn files_and_tests_that_documents_name_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut functions = BTreeSet::new();
    for path in sources() {
        let text = fs::read_to_string(path).unwrap();
        functions.extend(
            text.split("fn ").skip(1).filter_map(|rest| Some(rest.split_once(['(', '<'])?.0.to_owned())),
        );
    }
    let mut missing = Vec::new();
    for document in DOCUMENTS {
        let text = fs::read_to_string(root.join(document)).unwrap();
        let prose: String = text.split("```").step_by(2).collect();
        for name in prose.split('`').skip(1).step_by(2) {
            let is_there = if is_path(name) {
                FOLDERS.iter().any(|folder| root.join(folder).join(name).exists())
            } else {
                // The name of a test is a sentence.
                let is_test = name.matches('_').count() > 3 && name == name.to_lowercase() && is_word(name);
                !is_test || functions.contains(name)
            };
            if !is_there {
                missing.push(format!("{document}: {name}"));
            }
        }
    }
    assert!(missing.is_empty(), "named, but not there: {missing:#?}");
}
