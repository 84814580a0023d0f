//! Timers as a node finds them that has just started: in the rows.

use std::time::Duration;

use super::{recorded::Recorded, state::World};
use crate::{
    codec::{decode, encode},
    identifiers::{Domain, LogId, StreamName},
    operation::{Effect, Timer, timers},
    store::{Commit, Key, RecordKind, Row, Write},
    time::{HOUR, Timestamp},
};

/// More rounds of timers than any test needs.
const MAX_ROUNDS: usize = 20_000;

impl World {
    /// Returns all timers that have a row, with the time at which each is due.
    pub fn timers(&self) -> Vec<(Domain, Timer, Timestamp)> {
        let mut timers = Vec::new();
        for (domain, server) in &self.servers {
            // Timers come first among all rows.
            let times = &server.homeserver.config().times;
            let rows =
                server.store.iter().map_while(|(key, row)| timers::from_row(key, row, self.now, times));
            for (timer, due) in rows {
                let name = (domain.clone(), timer);
                let due = self.postponed.get(&name).map_or(due, |until| due.max(*until));
                timers.push((name.0, name.1, due));
            }
        }
        timers
    }

    /// Returns the next time at which a timer is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.timers().into_iter().map(|(_, _, due)| due).min()
    }

    /// Runs every timer that is due, once. Returns what they did.
    pub fn round(&mut self) -> Vec<Recorded> {
        let now = self.now;
        let due: Vec<_> = self.timers().into_iter().filter(|(_, _, due)| *due <= now).collect();
        due.iter().map(|(domain, timer, _)| self.timer(domain, timer)).collect()
    }

    /// Runs timers that are due until none is. Returns what they did.
    pub fn run_until_idle(&mut self) -> Vec<Recorded> {
        let mut all = Vec::new();
        for _ in 0..MAX_ROUNDS {
            let recorded = self.round();
            if recorded.is_empty() {
                return all;
            }
            all.extend(recorded);
        }
        panic!("timers never come to rest");
    }

    /// Lets at most `longest` pass, and less if nothing is left to do. Returns whether nothing is.
    pub fn settle(&mut self, longest: Duration) -> bool {
        let end = self.now + longest;
        for _ in 0..MAX_ROUNDS {
            if !self.round().is_empty() {
                continue;
            }
            let Some(next) = self.next_due() else { return true };
            if next > end {
                self.now = end;
                return false;
            }
            self.now = next;
        }
        panic!("work that never ends");
    }

    /// Notes which timers wait longer than their rows say, because a lease or a damaged row is in the way.
    pub(super) fn postpone(&mut self, at: &Domain, effects: &[Effect]) {
        for effect in effects {
            if let Effect::Wake { timer, due } = effect {
                self.postponed.insert((at.clone(), timer.clone()), *due);
            }
        }
    }

    /// Asserts what holds after every commit: nothing waits without a timer, and no timer is far away.
    pub(super) fn check(&mut self, at: &Domain, commit: &Commit) {
        for write in commit.writes.iter().filter(|write| write.key.kind() == RecordKind::Timer) {
            let timer = decode::<Timer>(write.key.name()).unwrap();
            self.postponed.remove(&(at.clone(), timer));
        }
        let store = &self.servers[at].store;
        let cleared = |write: &Write| write.bytes.is_none() && write.key.kind() == RecordKind::Timer;
        if commit.writes.iter().any(cleared) {
            store.iter().for_each(|(key, row)| self.check_row(at, key, row));
        }
        for write in &commit.writes {
            if let Some(row) = store.get(&write.key) {
                self.check_row(at, &write.key, row);
            }
        }
    }

    fn check_row(&self, at: &Domain, key: &Key, row: &Row) {
        let name = key.name();
        let timer = match key.kind() {
            RecordKind::FanOutRow => Timer::Distribute(decode::<LogId>(&name[..name.len() - 8]).unwrap()),
            RecordKind::OutboundEntry => {
                Timer::Deliver(decode::<StreamName>(&name[..name.len() - 8]).unwrap())
            }
            RecordKind::Timer => {
                let (_, due) = timers::as_noted(key, row).unwrap();
                assert!(due <= self.now + HOUR, "nothing waits for ever");
                return;
            }
            _ => return,
        };
        let key = [&[RecordKind::Timer as u8][..], &encode(&timer)].concat();
        let key = Key::from_bytes(&key).unwrap();
        assert!(self.servers[at].store.get(&key).is_some(), "{timer:?} has no row");
    }
}
