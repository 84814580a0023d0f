//! What is gathered of a subject.

use std::collections::BTreeMap;

use super::{grams::Grams, mentions::Finder, subject::Subject};
use crate::thief::images::{Image, Written};

/// What the rows that mention a subject say.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    /// The rows, by their numbers in the image.
    pub rows: Vec<usize>,
    /// Their sequence numbers, each once.
    pub sequences: Vec<u64>,
    /// The version tags, each once.
    pub tags: Vec<[u8; 16]>,
    /// Pieces of bytes that rows of other subjects have too, with their weights.
    pub pieces: Vec<(u64, f64)>,
    /// The files and the places in them.
    pub places: Vec<(usize, u64)>,
    /// The number that the first row's name begins with.
    pub name: u64,
    /// The hours in keys of the subject's rows, and of the rows written together with them.
    pub hours: Vec<u32>,
    /// The bytes of all rows.
    pub bytes: usize,
    /// How many rows were deleted.
    pub deleted: usize,
    /// How many rows are of the first image, and how many came after it.
    pub halves: [usize; 2],
    /// How often its rows were written in each part of the time.
    pub rhythm: Vec<f64>,
}

/// An image, and what it says of each subject.
pub struct Evidence<'a> {
    /// The image.
    pub image: &'a Image,
    /// By the subject's number.
    pub traces: Vec<Trace>,
    /// The rows of each sequence number, by their numbers in the image.
    together: BTreeMap<u64, Vec<usize>>,
}

/// The parts of the time whose activity is compared.
const PARTS: u64 = 96;

impl<'a> Evidence<'a> {
    /// Gathers what `image` says of `subjects`. What came after `first` is new since the first image.
    pub fn gather(image: &'a Image, first: u64, subjects: &[Subject]) -> Self {
        let mut together: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (number, row) in image.rows.iter().enumerate() {
            together.entry(row.sequence).or_default().push(number);
        }
        let mut traces = vec![Trace::default(); subjects.len()];
        let (finder, mut grams) = (Finder::new(subjects), Grams::default());
        let mut found = Vec::new();
        for (number, row) in image.rows.iter().enumerate() {
            found.clear();
            for bytes in [&row.key, row.content(), &row.opened] {
                finder.find(bytes, &mut found);
            }
            found.sort_unstable();
            found.dedup();
            for bytes in [&row.key, row.content(), &row.opened] {
                grams.add(bytes, &found);
            }
            for subject in &found {
                traces[*subject].add(number, row, first);
            }
        }
        for (trace, pieces) in traces.iter_mut().zip(grams.shared(subjects.len())) {
            trace.pieces = pieces;
        }
        let mut evidence = Self { image, traces: Vec::new(), together };
        let parts = (image.end() / PARTS).max(1);
        for trace in &mut traces {
            trace.finish(&evidence, parts);
        }
        evidence.traces = traces;
        evidence
    }

    /// The rows that were written together with those of a trace, and are not its own.
    pub fn written_with<'b>(&'b self, trace: &'b Trace) -> impl Iterator<Item = &'b Written> {
        let numbers = trace.sequences.iter().filter_map(|sequence| self.together.get(sequence)).flatten();
        let others = numbers.filter(|number| trace.rows.binary_search(number).is_err());
        others.map(|number| &self.image.rows[*number])
    }

    /// The rows of a trace.
    pub fn rows<'b>(&'b self, trace: &'b Trace) -> impl Iterator<Item = &'b Written> {
        trace.rows.iter().map(|number| &self.image.rows[*number])
    }

    /// When the file was changed last that has the first row of a trace.
    pub fn changed(&self, trace: &Trace) -> f64 {
        let file = trace.places.first().map(|(file, _)| *file);
        file.map_or(0.0, |file| self.image.changed[file] as f64)
    }
}

impl Trace {
    fn add(&mut self, number: usize, row: &Written, first: u64) {
        if self.rows.is_empty() {
            let name = row.key.iter().skip(1).chain(std::iter::repeat(&0)).take(8);
            self.name = name.fold(0, |name, byte| name << 8 | u64::from(*byte));
        }
        self.rows.push(number);
        self.sequences.push(row.sequence);
        self.tags.extend(row.content.as_ref().map(|(tag, _)| *tag));
        self.places.push((row.file, row.offset));
        self.bytes += row.size();
        self.deleted += usize::from(row.content.is_none());
        self.halves[usize::from(row.sequence > first)] += 1;
    }

    fn finish(&mut self, evidence: &Evidence<'_>, part: u64) {
        self.sequences.dedup();
        self.tags.sort_unstable();
        self.tags.dedup();
        self.places.sort_unstable();
        let hours = evidence.rows(self).chain(evidence.written_with(self)).filter_map(Written::hour);
        self.hours = hours.collect();
        self.rhythm = vec![0.0; PARTS as usize + 2];
        for sequence in &self.sequences {
            self.rhythm[(sequence / part).min(PARTS + 1) as usize] += 1.0;
        }
    }

    /// The first sequence number; 0 if there is none.
    pub fn first(&self) -> f64 {
        self.sequences.first().map_or(0.0, |sequence| *sequence as f64)
    }

    /// The last sequence number; 0 if there is none.
    pub fn last(&self) -> f64 {
        self.sequences.last().map_or(0.0, |sequence| *sequence as f64)
    }
}
