//! The trace: what happened in a world, as a hash and as events with their causes.
//!
//! The hash is the proof that two runs were the same. It covers, for each event in order, its time, number
//! and cause, and all bytes that were sent, answered or committed during it. It covers no texts, so that
//! descriptions and names may change without a change of the hash.

use std::collections::VecDeque;

use phoenix_core::{hex::Hex, time::Timestamp};
use sha2::{Digest, Sha256};

use crate::schedule::EventNumber;

/// How many events are kept for failures and logs: more than most worlds have.
const MAX_KEPT: usize = 400_000;

/// How many events a chain of causes has at most.
const MAX_CHAIN: usize = 48;

/// The trace of one world.
#[derive(Debug)]
pub struct Trace {
    start: Timestamp,
    hash: Sha256,
    events: VecDeque<Entry>,
    current: EventNumber,
    count: u64,
}

#[derive(Debug)]
struct Entry {
    number: EventNumber,
    at: Timestamp,
    cause: EventNumber,
    what: String,
    notes: Vec<String>,
}

impl Trace {
    /// Creates the trace of a world that begins at `start`.
    pub fn new(start: Timestamp) -> Self {
        Self { start, hash: Sha256::new(), events: VecDeque::new(), current: 0, count: 0 }
    }

    /// Begins an event. What is noted and hashed from now on belongs to it.
    pub fn begin(&mut self, at: Timestamp, number: EventNumber, cause: EventNumber, what: String) {
        self.count += 1;
        self.current = number;
        self.bytes(&at.milliseconds().to_be_bytes());
        self.bytes(&number.to_be_bytes());
        self.bytes(&cause.to_be_bytes());
        if self.events.len() == MAX_KEPT {
            self.events.pop_front();
        }
        self.events.push_back(Entry { number, at, cause, what, notes: Vec::new() });
    }

    /// Adds a text to the current event. It is not hashed.
    pub fn note(&mut self, what: String) {
        if let Some(entry) = self.events.back_mut() {
            entry.notes.push(what);
        }
    }

    /// Hashes bytes that were sent, answered or committed during the current event. They are not kept.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.hash.update((bytes.len() as u64).to_be_bytes());
        self.hash.update(bytes);
    }

    /// Returns the number of the current event.
    pub fn current(&self) -> EventNumber {
        self.current
    }

    /// Returns how many events have begun.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the hash of everything so far, in hexadecimal digits.
    pub fn hash(&self) -> String {
        Hex(&self.hash.clone().finalize()).to_string()
    }

    /// Returns the texts of an event and of its causes, the first cause first. Of a long chain, only the last
    /// events.
    pub fn chain(&self, number: EventNumber) -> Vec<String> {
        let mut chain = Vec::new();
        let mut next = number;
        while chain.len() < MAX_CHAIN
            && let Some(entry) = self.find(next)
        {
            chain.push(entry.describe(self.start));
            next = entry.cause;
        }
        chain.reverse();
        chain
    }

    /// Returns the texts of the last `count` events, the oldest first.
    pub fn last(&self, count: usize) -> Vec<String> {
        let first = self.events.len().saturating_sub(count);
        self.events.range(first..).map(|entry| entry.describe(self.start)).collect()
    }

    fn find(&self, number: EventNumber) -> Option<&Entry> {
        // Numbers are given when events are scheduled, so they are not sorted here.
        self.events.iter().rev().find(|entry| entry.number == number)
    }
}

impl Entry {
    fn describe(&self, start: Timestamp) -> String {
        let seconds = (self.at - start).as_secs_f64();
        let notes: String = self.notes.iter().map(|note| format!("; {note}")).collect();
        format!("{seconds:10.3} s  #{:<7} {}{notes}", self.number, self.what)
    }
}
