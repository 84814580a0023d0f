//! The trace: what happened in a world, as a hash and as events with their causes.
//!
//! The hash is the proof that two runs were the same. It covers, for each event in order, its time, number
//! and cause, and all bytes that were sent, answered or committed during it. It covers no texts, so that
//! descriptions and names may change without a change of the hash; nor does what is routine matter to it.
//!
//! # Routine
//!
//! Most events tell nothing: a client reads its queue, and nothing is in it. An event is routine by its
//! [`Sort`], what it causes inherits that, and [`Trace::tells`] ends it: something worth telling has
//! happened. Failures show the events that tell something, and of routine ones those that led to them.

use std::collections::{BTreeSet, VecDeque};

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
    /// The events that tell nothing, one bit each, by their number.
    routine: Vec<u64>,
}

/// What an event is by its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// Something that a failure shows, if what caused it tells something.
    Telling,
    /// A step within something else. A failure shows it if something was noted during it.
    Step,
    /// Something that happens again and again, whatever caused it.
    Routine,
}

#[derive(Debug)]
struct Entry {
    number: EventNumber,
    at: Timestamp,
    cause: EventNumber,
    what: String,
    notes: Vec<String>,
    sort: Sort,
    tells: bool,
}

impl Trace {
    /// Creates the trace of a world that begins at `start`.
    pub fn new(start: Timestamp) -> Self {
        Self {
            start,
            hash: Sha256::new(),
            events: VecDeque::new(),
            current: 0,
            count: 0,
            routine: Vec::new(),
        }
    }

    /// Begins an event. What is noted and hashed from now on belongs to it.
    pub fn begin(
        &mut self,
        at: Timestamp,
        number: EventNumber,
        cause: EventNumber,
        sort: Sort,
        what: String,
    ) {
        self.count += 1;
        self.current = number;
        self.bytes(&at.milliseconds().to_be_bytes());
        self.bytes(&number.to_be_bytes());
        self.bytes(&cause.to_be_bytes());
        if self.events.len() == MAX_KEPT {
            self.events.pop_front();
        }
        let tells = sort != Sort::Routine && !self.is_routine(cause);
        self.set_routine(number, !tells);
        self.events.push_back(Entry { number, at, cause, what, notes: Vec::new(), sort, tells });
    }

    /// Adds a text to the current event. It is not hashed.
    pub fn note(&mut self, what: String) {
        if let Some(entry) = self.events.back_mut() {
            entry.notes.push(what);
        }
    }

    /// Notes that something worth telling happens during the current event.
    pub fn tells(&mut self) {
        self.set_routine(self.current, false);
        if let Some(entry) = self.events.back_mut() {
            entry.tells = true;
        }
    }

    /// Notes that the current event turns out to be nothing.
    pub fn is_nothing(&mut self) {
        self.set_routine(self.current, true);
        if let Some(entry) = self.events.back_mut() {
            entry.tells = false;
        }
    }

    fn is_routine(&self, number: EventNumber) -> bool {
        let (word, bit) = (number / 64, number % 64);
        self.routine.get(word as usize).is_some_and(|bits| bits >> bit & 1 == 1)
    }

    fn set_routine(&mut self, number: EventNumber, is_routine: bool) {
        let (word, bit) = ((number / 64) as usize, number % 64);
        if self.routine.len() <= word {
            self.routine.resize(word + 1, 0);
        }
        self.routine[word] = self.routine[word] & !(1 << bit) | u64::from(is_routine) << bit;
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

    /// Returns the texts of an event and of its causes, the first cause first, without what is routine and
    /// led to nothing. Of a long chain, only the last events.
    pub fn chain(&self, number: EventNumber) -> Vec<String> {
        let mut chain = Vec::new();
        let mut next = number;
        // Of the event after this one in the chain: its sort if it is shown.
        let mut effect = Some(Sort::Telling);
        // Numbers are given when events are scheduled, so they are not sorted here; but causes come before.
        for entry in self.events.iter().rev() {
            if entry.number != next {
                continue;
            }
            next = entry.cause;
            let is_shown = match (entry.sort, effect) {
                // One of many that follow each other: what it tells has led elsewhere.
                (Sort::Routine, Some(Sort::Routine) | None) => false,
                (_, Some(Sort::Routine) | None) => entry.tells,
                (_, Some(Sort::Telling | Sort::Step)) => true,
            };
            effect = is_shown.then_some(entry.sort);
            if is_shown && (!entry.is_bare_step() || entry.number == number) {
                chain.push(entry.describe(self.start));
            }
            if chain.len() == MAX_CHAIN {
                break;
            }
        }
        chain.reverse();
        chain
    }

    /// Returns the texts of the next `count` events after one, the earliest first: those that tell something,
    /// and those that came of it.
    pub fn next(&self, number: EventNumber, count: usize) -> Vec<String> {
        let mut came_of_it = BTreeSet::from([number]);
        let behind = self.events.iter().skip_while(|entry| entry.number != number).skip(1);
        let shown = behind.filter(|entry| {
            let came = entry.sort != Sort::Routine && came_of_it.contains(&entry.cause);
            if came {
                came_of_it.insert(entry.number);
            }
            (came || entry.tells) && !entry.is_bare_step()
        });
        shown.take(count).map(|entry| entry.describe(self.start)).collect()
    }

    /// Returns when an event was, and its number.
    pub fn when(&self, number: EventNumber) -> String {
        let entry = self.events.iter().rev().find(|entry| entry.number == number);
        entry.map_or_else(|| format!("#{number}"), |entry| entry.when(self.start))
    }

    /// Returns the texts of the last `count` events that tell something, the oldest first.
    pub fn last_telling(&self, count: usize) -> Vec<String> {
        let telling = self
            .events
            .iter()
            .rev()
            .filter(|entry| entry.number == self.current || (entry.tells && !entry.is_bare_step()));
        let mut last: Vec<String> = telling.take(count).map(|entry| entry.describe(self.start)).collect();
        last.reverse();
        last
    }

    /// Returns the texts of the last `count` events, the oldest first.
    pub fn last(&self, count: usize) -> Vec<String> {
        let first = self.events.len().saturating_sub(count);
        self.events.range(first..).map(|entry| entry.describe(self.start)).collect()
    }
}

impl Entry {
    /// Returns whether it is a step during which nothing was noted.
    fn is_bare_step(&self) -> bool {
        self.sort == Sort::Step && self.notes.is_empty()
    }

    fn when(&self, start: Timestamp) -> String {
        let seconds = (self.at - start).as_secs_f64();
        format!("{seconds:10.3} s  #{:<7}", self.number)
    }

    fn describe(&self, start: Timestamp) -> String {
        let notes: String = self.notes.iter().map(|note| format!("; {note}")).collect();
        format!("{} {}{notes}", self.when(start), self.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_milliseconds(0);

    /// A trace of events with their number, cause, sort and whether something worth telling happens.
    fn trace(events: &[(EventNumber, EventNumber, Sort, bool)]) -> Trace {
        let mut trace = Trace::new(START);
        for (number, cause, sort, tells) in events {
            trace.begin(START, *number, *cause, *sort, format!("event {number}."));
            if *tells {
                trace.tells();
            }
        }
        trace
    }

    fn numbers(lines: &[String]) -> Vec<EventNumber> {
        let number = |line: &String| line.split("event ").nth(1)?.trim_end_matches('.').parse().ok();
        lines.iter().filter_map(number).collect()
    }

    #[test]
    fn a_chain_has_the_routine_that_led_to_something_and_no_other() {
        use Sort::{Routine, Telling};
        let events = [
            (1, 0, Telling, false),
            // Twice nothing, then something.
            (2, 1, Routine, false),
            (3, 2, Telling, false),
            // Something that led elsewhere.
            (4, 2, Routine, true),
            (5, 4, Telling, false),
            (6, 4, Routine, false),
            (7, 6, Telling, false),
            (8, 7, Telling, true),
            (9, 8, Telling, false),
        ];
        let trace = trace(&events);
        assert_eq!(numbers(&trace.chain(9)), [1, 6, 7, 8, 9]);
        assert_eq!(numbers(&trace.last_telling(10)), [1, 4, 5, 8, 9]);
        assert_eq!(trace.last(10).len(), 9);
    }

    #[test]
    fn the_event_itself_is_always_shown() {
        let trace = trace(&[(1, 0, Sort::Routine, false), (2, 1, Sort::Step, false)]);
        assert_eq!(numbers(&trace.chain(2)), [1, 2]);
        assert_eq!(numbers(&trace.last_telling(1)), [2]);
    }

    #[test]
    fn a_step_is_shown_for_what_is_noted_during_it() {
        let mut trace = trace(&[(1, 0, Sort::Telling, false), (2, 1, Sort::Step, false)]);
        trace.note("a note".to_owned());
        trace.begin(START, 3, 2, Sort::Step, "event 3.".to_owned());
        trace.begin(START, 4, 3, Sort::Telling, "event 4.".to_owned());
        let chain = trace.chain(4);
        assert_eq!(chain.len(), 3, "{chain:?}");
        assert!(chain[1].ends_with("event 2.; a note"), "{chain:?}");
    }

    #[test]
    fn what_happens_next_is_what_tells_something_or_came_of_it() {
        use Sort::{Routine, Step, Telling};
        let events = [
            (1, 0, Routine, false),
            (2, 1, Telling, false),
            (3, 0, Telling, false),
            (4, 2, Telling, false),
            (5, 4, Step, false),
            (6, 5, Telling, false),
            (7, 6, Routine, false),
            (8, 7, Telling, false),
        ];
        let trace = trace(&events);
        assert_eq!(numbers(&trace.next(2, 10)), [3, 4, 6]);
        assert_eq!(numbers(&trace.next(2, 1)), [3]);
        assert!(trace.next(9, 10).is_empty());
    }

    #[test]
    fn the_hash_does_not_depend_on_what_is_routine() {
        let hash = |sort, tells| trace(&[(1, 0, sort, tells), (2, 1, Sort::Telling, false)]).hash();
        assert_eq!(hash(Sort::Routine, false), hash(Sort::Telling, true));
    }
}
