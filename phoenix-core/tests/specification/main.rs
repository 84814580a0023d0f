//! PROTOCOL.md and the code say the same: the tables of its appendices are the code's, and what files cite is
//! there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod citations;
mod documents;
mod tables;

/// The specification.
const SPECIFICATION: &str = include_str!("../../PROTOCOL.md");

/// The rows of the table with this header row after the heading, as cells without code marks.
fn table(heading: &str, first_column: &str) -> Vec<Vec<String>> {
    let section = SPECIFICATION.split(&format!("\n{heading}")).nth(1).expect(heading);
    let section = section.split("\n## ").next().unwrap_or_default();
    let header = format!("| {first_column} |");
    let rows = section.lines().skip_while(|line| !line.starts_with(&header)).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    let cells = |line: &str| {
        let cells = line.trim_matches('|').split(" | ");
        cells.map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    };
    rows.map(cells).collect()
}
