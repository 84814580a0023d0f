//! Rules that say how large something is, or when it was.

use phoenix_core::store::RecordKind;

use super::clue::Clue;
use crate::thief::{
    evidence::{Evidence, Trace},
    images::Written,
};

/// What a rule says of what was gathered of a subject.
type Estimate = dyn Fn(&Evidence<'_>, &Trace) -> f64;

/// A rule: its number grows, or falls, with what is guessed.
pub struct AmountRule {
    /// Its name, for people.
    pub name: String,
    /// What it goes by.
    pub clue: Clue,
    /// The rule.
    pub estimate: Box<Estimate>,
}

fn rule(
    name: impl Into<String>,
    clue: Clue,
    estimate: impl Fn(&Evidence<'_>, &Trace) -> f64 + 'static,
) -> AmountRule {
    AmountRule { name: name.into(), clue, estimate: Box::new(estimate) }
}

/// The kinds of rows whose sizes and numbers are looked at one by one.
const KINDS: [RecordKind; 8] = [
    RecordKind::RememberedAnswer,
    RecordKind::Nullifier,
    RecordKind::FanOutQueue,
    RecordKind::FanOutQueueEntry,
    RecordKind::GroupHead,
    RecordKind::GroupSection,
    RecordKind::FanOutRow,
    RecordKind::OutboundEntry,
];

/// Returns all rules for amounts.
pub fn amount_rules() -> Vec<AmountRule> {
    let mut rules = vec![
        rule("sequence number", Clue::CoWriting, |_, trace| trace.first()),
        rule("last sequence number", Clue::CoWriting, |_, trace| trace.last()),
        rule("place in a file", Clue::CoWriting, |_, trace| {
            trace.places.first().map_or(0.0, |(file, offset)| *file as f64 * 1e12 + *offset as f64)
        }),
        rule("time of the file", Clue::CoWriting, |evidence, trace| evidence.changed(trace)),
        rule("hours in keys", Clue::Hours, |_, trace| {
            trace.hours.iter().map(|hour| f64::from(*hour)).sum::<f64>() / trace.hours.len().max(1) as f64
        }),
        rule("bytes", Clue::Sizes, |_, trace| trace.bytes as f64),
        rule("rows", Clue::Sizes, |_, trace| trace.rows.len() as f64),
        rule("deletions", Clue::Sizes, |_, trace| trace.deleted as f64),
        rule("rows after the first image", Clue::Images, |_, trace| trace.halves[1] as f64),
        rule("rows written together", Clue::CoWriting, |evidence, trace| {
            evidence.written_with(trace).count() as f64 / trace.sequences.len().max(1) as f64
        }),
    ];
    for offset in [1, 9, 17, 25] {
        rules.push(rule(format!("number at byte {offset}"), Clue::Bytes, move |evidence, trace| {
            let last = evidence.rows(trace).filter(|row| row.content.is_some()).last();
            last.map_or(0.0, |row| number(row.content(), offset))
        }));
    }
    for kind in KINDS {
        let is_of = move |row: &&Written| row.kind == kind && row.content.is_some();
        let name = format!("{kind:?}");
        rules.push(rule(format!("{name}: largest"), Clue::Sizes, move |evidence, trace| {
            largest(evidence.rows(trace).filter(is_of))
        }));
        rules.push(rule(format!("{name}: mean size"), Clue::Sizes, move |evidence, trace| {
            mean(evidence.rows(trace).filter(is_of))
        }));
        rules.push(rule(format!("{name}: number"), Clue::Sizes, move |evidence, trace| {
            evidence.rows(trace).filter(is_of).count() as f64
        }));
        rules.push(rule(
            format!("{name} written together: largest"),
            Clue::CoWriting,
            move |evidence, trace| largest(evidence.written_with(trace).filter(is_of)),
        ));
        rules.push(rule(
            format!("{name} written together: number"),
            Clue::CoWriting,
            move |evidence, trace| {
                let count = evidence.written_with(trace).filter(is_of).count();
                count as f64 / trace.sequences.len().max(1) as f64
            },
        ));
    }
    rules
}

fn number(bytes: &[u8], offset: usize) -> f64 {
    let bytes = bytes.get(offset..offset + 8).unwrap_or_default();
    bytes.iter().fold(0.0, |number, byte| number * 256.0 + f64::from(*byte))
}

fn largest<'a>(rows: impl Iterator<Item = &'a Written>) -> f64 {
    rows.map(Written::size).max().unwrap_or_default() as f64
}

fn mean<'a>(rows: impl Iterator<Item = &'a Written>) -> f64 {
    let (count, bytes) = rows.fold((0, 0), |(count, bytes), row| (count + 1, bytes + row.size()));
    bytes as f64 / f64::from(count.max(1))
}
