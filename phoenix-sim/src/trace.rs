//! What happened: a hash over every event with its bytes, and the events themselves with their causes.
//!
//! Texts are for people and not part of the hash: a trace stays the same when something is only called otherwise.

use std::collections::VecDeque;

use phoenix_core::{identifiers::HexId, time::Timestamp};
use sha2::{Digest, Sha256};

use crate::{clock::START, schedule::EventNumber};

/// How many events are kept for the report.
const KEPT: usize = 400_000;

/// How many links of a causal chain are told.
const CHAIN: usize = 48;

/// The course of a world.
#[derive(Debug, Default)]
pub struct Trace {
    hash: Sha256,
    events: VecDeque<(EventNumber, Entry)>,
    current: EventNumber,
    count: u64,
}

#[derive(Debug)]
struct Entry {
    at: Timestamp,
    cause: EventNumber,
    what: String,
    notes: Vec<String>,
}

impl Trace {
    /// An event begins; all that is noted from now on is part of it. Of the event itself, its time, number and cause
    /// are hashed.
    pub fn begin(&mut self, at: Timestamp, (number, cause): (EventNumber, EventNumber), what: String) {
        self.count += 1;
        self.current = number;
        self.bytes(&at.milliseconds().to_be_bytes());
        self.bytes(&number.to_be_bytes());
        self.bytes(&cause.to_be_bytes());
        if self.events.len() == KEPT {
            self.events.pop_front();
        }
        self.events.push_back((number, Entry { at, cause, what, notes: Vec::new() }));
    }

    /// Something that happened as part of the current event, to be read by people.
    pub fn note(&mut self, what: String) {
        if let Some((_, entry)) = self.events.back_mut() {
            entry.notes.push(what);
        }
    }

    /// Bytes that were sent, written or read as part of the current event.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.hash.update((bytes.len() as u64).to_be_bytes());
        self.hash.update(bytes);
    }

    /// The current event.
    pub fn current(&self) -> EventNumber {
        self.current
    }

    /// How many events there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The hash over everything so far, in hexadecimal digits.
    pub fn hash(&self) -> String {
        HexId(&self.hash.clone().finalize()).to_string()
    }

    /// The event and what led to it, the first cause first.
    pub fn chain(&self, number: EventNumber) -> Vec<String> {
        let mut chain = Vec::new();
        let mut next = number;
        while chain.len() < CHAIN
            && let Some(entry) = self.find(next)
        {
            chain.push(entry.describe(next));
            next = entry.cause;
        }
        chain.reverse();
        chain
    }

    /// The last few events.
    pub fn last(&self, count: usize) -> Vec<String> {
        let first = self.events.len().saturating_sub(count);
        self.events.range(first..).map(|(number, entry)| entry.describe(*number)).collect()
    }

    fn find(&self, number: EventNumber) -> Option<&Entry> {
        // Numbers are given when events are scheduled, so they are in no order here.
        self.events.iter().rev().find(|(of, _)| *of == number).map(|(_, entry)| entry)
    }
}

impl Entry {
    fn describe(&self, number: EventNumber) -> String {
        let seconds = (self.at - START).as_secs_f64();
        let notes: String = self.notes.iter().map(|note| format!("; {note}")).collect();
        format!("{seconds:10.3} s  #{number:<7} {}{notes}", self.what)
    }
}
