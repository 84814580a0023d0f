//! What an operation has fetched so far.

use std::collections::BTreeMap;

use super::step::Ask;
use crate::{
    error::PeerFailure,
    store::{Key, Row, Scan, commit::Rows},
};

/// The rows, scans and answers that are there. All that is left of one pass for the next.
#[derive(Default)]
pub(crate) struct Loaded {
    pub rows: BTreeMap<Key, Option<Row>>,
    pub scans: BTreeMap<Scan, Vec<Key>>,
    pub answers: BTreeMap<Ask, Result<Vec<u8>, PeerFailure>>,
}

impl Loaded {
    /// Adds what was read.
    pub fn supply(&mut self, rows: Rows) {
        self.rows.extend(rows.rows);
        self.scans.extend(rows.scans);
    }

    /// Adds what a peer answered.
    pub fn answer(&mut self, ask: Ask, answer: Result<Vec<u8>, PeerFailure>) {
        self.answers.insert(ask, answer);
    }

    /// Forgets what was read: a new attempt reads afresh. The answers of peers stay true, for they are named
    /// by their question.
    pub fn begin_attempt(&mut self) {
        self.rows.clear();
        self.scans.clear();
    }
}
