//! What an operation has fetched so far.

use std::collections::{BTreeMap, BTreeSet};

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
    paid: BTreeSet<Ask>,
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

    /// Notes that what `ask` costs is committed.
    pub fn pay_for(&mut self, ask: Ask) {
        self.paid.insert(ask);
    }

    /// Whether what `ask` costs is committed, or it was asked already.
    pub fn is_paid(&self, ask: &Ask) -> bool {
        self.paid.contains(ask) || self.answers.contains_key(ask)
    }

    /// Forgets what was read: a new attempt reads afresh. The answers of peers stay true, for they are named
    /// by their question.
    pub fn begin_attempt(&mut self) {
        self.rows.clear();
        self.scans.clear();
    }
}
