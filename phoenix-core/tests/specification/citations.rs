//! What files cite of the specification.
#![allow(clippy::disallowed_methods, reason = "reads the project's own source")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use super::SPECIFICATION;

/// Subsections that no file implements: they explain, or say what is planned.
const EXPLANATORY: &[&str] =
    &["Account changes", "Aliases", "Shares", "Hello", "Operator's view", "Remote clients", "Renewal"];

/// The subsections: (chapter, number, name).
fn subsections() -> Vec<(u32, String, String)> {
    let headings = SPECIFICATION.lines().filter_map(|line| line.strip_prefix("### "));
    let parse = |heading: &str| {
        let (number, name) = heading.split_once(' ').expect("a number and a name");
        let chapter = number.split('.').next().and_then(|chapter| chapter.parse().ok()).expect(heading);
        (chapter, number.to_owned(), name.to_owned())
    };
    headings.map(parse).collect()
}

/// The Rust files of the project.
pub fn sources() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let mut folders: Vec<PathBuf> =
        ["phoenix-core", "phoenix-hyper", "phoenix-sim", "examples"].map(|name| root.join(name)).into();
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                // Its own words are no citations.
                if !path.ends_with("tests/specification") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files
}

/// What follows `PROTOCOL.md §` in a text, as (chapter, name, whether there is more after a comma).
fn cited(text: &str) -> Vec<(String, String)> {
    // A citation may go on in the next line of a comment.
    let text: String =
        text.lines().map(|line| line.trim_start_matches(['/', '!', ' '])).collect::<Vec<_>>().join(" ");
    let parts: Vec<&str> = text.split("PROTOCOL.md §").skip(1).collect();
    let parts = parts.into_iter().map(|part| {
        let digits = part.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(part.len());
        let (number, rest) = part.split_at(digits);
        (number.trim_end_matches('.').to_owned(), rest.to_owned())
    });
    parts.collect()
}

#[test]
fn what_is_cited_is_there_and_what_is_there_is_cited() {
    let subsections = subsections();
    let chapters = SPECIFICATION.lines().filter_map(|line| line.strip_prefix("## ")?.split(' ').next());
    let chapters: BTreeSet<&str> = chapters.collect();
    let numbers: BTreeSet<&str> = subsections.iter().map(|(_, number, _)| number.as_str()).collect();
    let mut by_chapter: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let (mut missing, mut used) = (Vec::new(), BTreeSet::new());
    for (chapter, number, name) in &subsections {
        let chapter =
            number.split('.').next().filter(|text| *text == chapter.to_string()).expect("its chapter");
        by_chapter.entry(chapter).or_default().insert(name);
    }
    for path in sources() {
        let text = fs::read_to_string(&path).unwrap();
        for (number, rest) in cited(&text) {
            if !chapters.contains(number.as_str()) && !numbers.contains(number.as_str()) {
                missing.push(format!("{}: §{number}", path.display()));
            }
            used.extend(numbers.get(number.as_str()).map(|number| (*number).to_owned()));
            // `§9, Outbox`: one of the chapter's subsections; what follows a comma otherwise is prose or another number.
            let Some(name) = rest.strip_prefix(", ") else { continue };
            let chapter = number.split('.').next().unwrap_or_default();
            let names = by_chapter.get(chapter).into_iter().flatten();
            let longest = names.filter(|known| name.starts_with(**known)).max_by_key(|known| known.len());
            match longest {
                Some(known) => {
                    let of = subsections.iter().find(|(_, number, name)| {
                        number.starts_with(&format!("{chapter}.")) && name == known
                    });
                    used.extend(of.map(|(_, number, _)| number.clone()));
                }
                // `§12, R1`: a property of the table.
                None if number == "12" && SPECIFICATION.contains(&format!("\n| {} |", &name[..2])) => {}
                None if name.starts_with(char::is_uppercase) => {
                    missing.push(format!("{}: §{number}, {}", path.display(), &name[..name.len().min(40)]));
                }
                None => {}
            }
        }
    }
    assert!(missing.is_empty(), "cited, but not in PROTOCOL.md: {missing:#?}");
    let unused: Vec<String> = subsections
        .iter()
        .filter(|(_, number, name)| !used.contains(number) && !EXPLANATORY.contains(&name.as_str()))
        .map(|(_, number, name)| format!("{number} {name}"))
        .collect();
    assert!(unused.is_empty(), "no file says that it implements: {unused:#?}");
}
