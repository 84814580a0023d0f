//! Rules that say how likely two subjects belong together.

use super::clue::Clue;
use crate::thief::evidence::{Evidence, Trace};

/// A rule: the higher its number, the more it says that two subjects belong together; or the less, which is
/// found out on one half of the pairs.
pub struct PairRule {
    /// Its name, for people.
    pub name: &'static str,
    /// What it goes by.
    pub clue: Clue,
    /// The rule.
    pub compare: fn(&Evidence<'_>, &Trace, &Trace) -> f64,
}

const fn rule(name: &'static str, clue: Clue, compare: fn(&Evidence<'_>, &Trace, &Trace) -> f64) -> PairRule {
    PairRule { name, clue, compare }
}

/// All rules for pairs.
pub const PAIR_RULES: &[PairRule] = &[
    rule("rows that mention both", Clue::Bytes, |_, one, other| common(&one.rows, &other.rows) as f64),
    rule("equal bytes", Clue::Bytes, |_, one, other| equal_bytes(one, other)),
    rule("equal version tags", Clue::Tags, |_, one, other| common(&one.tags, &other.tags) as f64),
    rule("written together", Clue::CoWriting, |_, one, other| {
        share(common(&one.sequences, &other.sequences), one, other)
    }),
    rule("written first together", Clue::CoWriting, |_, one, other| -distance(one.first(), other.first())),
    rule("written last together", Clue::CoWriting, |_, one, other| -distance(one.last(), other.last())),
    rule("nearest writes", Clue::CoWriting, |_, one, other| -nearest(&one.sequences, &other.sequences)),
    rule("writes near each other", Clue::CoWriting, |_, one, other| {
        share(near(&one.sequences, &other.sequences), one, other)
    }),
    rule("rhythm", Clue::CoWriting, |_, one, other| cosine(&one.rhythm, &other.rhythm)),
    rule("near in a file", Clue::CoWriting, |_, one, other| -near_in_a_file(one, other)),
    rule("times of files", Clue::CoWriting, |evidence, one, other| {
        -distance(evidence.changed(one), evidence.changed(other))
    }),
    rule("changed between the images", Clue::Images, |_, one, other| {
        let [one, other] = [one, other].map(|trace| trace.halves.map(|count| f64::from(count > 0)));
        one.iter().zip(other).map(|(one, other)| 1.0 - (one - other).abs()).sum()
    }),
    rule("changes between the images", Clue::Images, |_, one, other| {
        -distance(one.halves[1] as f64, other.halves[1] as f64)
    }),
    rule("names in order", Clue::Names, |_, one, other| -distance(one.name as f64, other.name as f64)),
    rule("like sizes", Clue::Sizes, |_, one, other| -distance(one.bytes as f64, other.bytes as f64)),
    rule("like numbers of rows", Clue::Sizes, |_, one, other| {
        -distance(one.rows.len() as f64, other.rows.len() as f64)
    }),
    rule("like deletions", Clue::Sizes, |_, one, other| -distance(one.deleted as f64, other.deleted as f64)),
    rule("like hours", Clue::Hours, |_, one, other| -(mean(&one.hours) - mean(&other.hours)).abs()),
    rule("rows of the one", Clue::Sizes, |_, one, _| one.rows.len() as f64),
    rule("rows of the other", Clue::Sizes, |_, _, other| other.rows.len() as f64),
    rule("bytes of the one", Clue::Sizes, |_, one, _| one.bytes as f64),
    rule("bytes of the other", Clue::Sizes, |_, _, other| other.bytes as f64),
    rule("deletions of the one", Clue::Sizes, |_, one, _| one.deleted as f64),
    rule("deletions of the other", Clue::Sizes, |_, _, other| other.deleted as f64),
    rule("last write of the one", Clue::CoWriting, |_, one, _| one.last()),
    rule("last write of the other", Clue::CoWriting, |_, _, other| other.last()),
];

/// How many values two sorted lists have in common.
fn common<T: Ord>(one: &[T], other: &[T]) -> usize {
    let (short, long) = if one.len() < other.len() { (one, other) } else { (other, one) };
    short.iter().filter(|value| long.binary_search(value).is_ok()).count()
}

fn equal_bytes(one: &Trace, other: &Trace) -> f64 {
    let (short, long) = if one.pieces.len() < other.pieces.len() { (one, other) } else { (other, one) };
    let is_shared = |piece: &u64| long.pieces.binary_search_by_key(piece, |(piece, _)| *piece).is_ok();
    short.pieces.iter().filter(|(piece, _)| is_shared(piece)).map(|(_, weight)| weight).sum()
}

/// A count of writes, in proportion to how much both write.
fn share(count: usize, one: &Trace, other: &Trace) -> f64 {
    let all = (one.sequences.len() * other.sequences.len()).max(1);
    count as f64 / (all as f64).sqrt()
}

/// How far two amounts are from each other, as orders of magnitude.
fn distance(one: f64, other: f64) -> f64 {
    (one - other).abs().ln_1p()
}

/// The shortest distance between two writes, from each of the fewer ones.
fn nearest(one: &[u64], other: &[u64]) -> f64 {
    let (short, long) = if one.len() < other.len() { (one, other) } else { (other, one) };
    let distances = short.iter().filter_map(|sequence| to_nearest(*sequence, long));
    distances.min().map_or(f64::MAX.ln(), |least| (least as f64).ln_1p())
}

/// Two writes within this many batches are near each other.
const NEAR: u64 = 6;

/// How many writes of the one are near one of the other, but not in the same batch.
fn near(one: &[u64], other: &[u64]) -> usize {
    let (short, long) = if one.len() < other.len() { (one, other) } else { (other, one) };
    let distances = short.iter().filter_map(|sequence| to_nearest(*sequence, long));
    distances.filter(|distance| *distance <= NEAR).count()
}

fn to_nearest(sequence: u64, all: &[u64]) -> Option<u64> {
    let after = all.partition_point(|other| *other < sequence);
    let candidates = [after.checked_sub(1), Some(after)].into_iter().flatten();
    candidates.filter_map(|place| all.get(place)).map(|other| other.abs_diff(sequence)).min()
}

fn near_in_a_file(one: &Trace, other: &Trace) -> f64 {
    let (short, long) = if one.places.len() < other.places.len() { (one, other) } else { (other, one) };
    let distances = short.places.iter().flat_map(|(file, offset)| {
        let after = long.places.partition_point(|place| *place < (*file, *offset));
        let candidates = [after.checked_sub(1), Some(after)].into_iter().flatten();
        let places = candidates.filter_map(|place| long.places.get(place));
        places.filter(move |(other, _)| other == file).map(|(_, other)| other.abs_diff(*offset))
    });
    distances.min().map_or(f64::MAX.ln(), |least| (least as f64).ln_1p())
}

fn cosine(one: &[f64], other: &[f64]) -> f64 {
    let product =
        |one: &[f64], other: &[f64]| -> f64 { one.iter().zip(other).map(|(one, other)| one * other).sum() };
    let length = (product(one, one) * product(other, other)).sqrt();
    if length > 0.0 { product(one, other) / length } else { 0.0 }
}

fn mean(hours: &[u32]) -> f64 {
    hours.iter().map(|hour| f64::from(*hour)).sum::<f64>() / hours.len().max(1) as f64
}
