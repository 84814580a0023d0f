//! PROTOCOL.md §11.15 — running intents: each in its turn, as far as it goes.

use std::time::Duration;

use super::{
    config::ClientPlant,
    error::ClientError,
    event::{Event, IntentId},
    pass::{Interrupt, Pass},
    procedures,
    state::{State, Wait, Want},
};
use crate::time::Timestamp;

/// How often intents are looked at in one run. A queue of ten thousand entries takes as many rounds.
const MAX_ROUNDS: usize = 100_000;

/// A clock that goes back by no more than this was not set: the calls came in another order.
const CLOCK_JITTER: Duration = Duration::from_secs(1);

impl State {
    /// Runs all intents as far as they go now.
    pub fn run(&mut self) {
        // An intent that does not come to an end now, nor to something that it waits for, is a defect; so that
        // it holds up no other one, it ends.
        for _ in 0..MAX_ROUNDS {
            let ready: Vec<IntentId> = self.intents.keys().copied().filter(|id| self.is_ready(*id)).collect();
            if ready.is_empty() {
                return;
            }
            for id in ready {
                // One before may have ended it, or taken what it waits for.
                if self.intents.contains(&id) && self.is_ready(id) {
                    self.pass(id);
                }
            }
        }
        let stuck: Vec<IntentId> = self.intents.keys().copied().filter(|id| self.is_ready(*id)).collect();
        for id in stuck {
            self.end(id, Err(ClientError::Contention));
        }
    }

    /// Takes in what the device's clock reads. A clock that was set back is believed: what waits for a time is
    /// looked at anew, and waits no longer than it would have from now on.
    pub fn clock_reads(&mut self, now: Timestamp) {
        if self.now <= now + CLOCK_JITTER {
            self.now = self.now.max(now);
            return;
        }
        self.now = now;
        self.last_read = self.last_read.min(now);
        self.clock_errors.clear();
        self.waits.retain(|_, wait| matches!(wait, Wait::Answer | Wait::Turn(_)));
        for sending in self.sendings.values_mut() {
            sending.timeout = sending.timeout.min(now + self.config.request_timeout);
            sending.next = sending.next.min(now + self.config.backoff_limit);
        }
    }

    /// Returns when an intent goes on even if nothing happens.
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.intents.keys().filter_map(|id| self.wakes_at(*id)).min()
    }

    fn pass(&mut self, id: IntentId) {
        let Some(want) = self.intents.get(&id).map(|intent| intent.want.clone()) else { return };
        self.waits.remove(&id);
        let end = match procedures::run(&mut Pass::new(self, id), &want) {
            Ok(()) => Ok(()),
            Err(Interrupt::Failed(error)) => Err(error),
            Err(Interrupt::Wait(wait)) => {
                self.waits.insert(id, wait);
                return;
            }
            Err(Interrupt::Again { keep }) => {
                self.sendings.remove(&id);
                if let Some(intent) = self.intents.get_mut(&id) {
                    intent.notes.truncate(keep);
                }
                return;
            }
        };
        self.end(id, end);
    }

    /// Ends an intent: those that wait for it go on, and the application is told.
    pub fn end(&mut self, id: IntentId, outcome: Result<(), ClientError>) {
        let Some(intent) = self.intents.remove(&id) else { return };
        self.sendings.remove(&id);
        self.waits.remove(&id);
        self.failures.remove(&id);
        if let Some(held) = &intent.held {
            self.leave_lane(held);
        }
        if let Want::HandleRequest { request } | Want::Accept { request } = &intent.want {
            self.forget_stranger(&request.content.sender.client_id().user_id.domain);
        }
        if outcome.is_err() {
            procedures::clean_up(self, id, &intent);
        }
        let mut awaited = false;
        if let Err(error) = &outcome {
            for (waiting, wait) in &self.waits {
                if matches!(wait, Wait::End { of, .. } if *of == id) {
                    awaited = true;
                    self.failures.insert(*waiting, error.clone());
                }
            }
        }
        self.changed();
        if intent.by_application.into() {
            let done = Event::Done { intent: id, outcome };
            let is_kept = intent.want.is_kept() && !self.config.planted(ClientPlant::ForgetEnd);
            if is_kept { self.emit(done) } else { self.mention(done) }
        } else if let (Err(error), false) = (outcome, awaited) {
            self.emit(Event::BackgroundFailure(error));
        }
    }

    /// Whether an intent can go on.
    fn is_ready(&self, id: IntentId) -> bool {
        if !self.caught_up && !self.intents.get(&id).is_some_and(|intent| intent.want.catches_up()) {
            return false;
        }
        match self.waits.get(&id) {
            None | Some(Wait::Nothing) => true,
            Some(Wait::Answer) => self.can_go_on_sending(id),
            Some(Wait::Until(due)) => *due <= self.now,
            Some(Wait::Change { since, until }) => self.changes > *since || *until <= self.now,
            Some(Wait::Turn(_)) => self.has_turn(id),
            Some(Wait::End { of, until }) => {
                !self.intents.contains(of) || until.is_some_and(|until| until <= self.now)
            }
        }
    }

    fn wakes_at(&self, id: IntentId) -> Option<Timestamp> {
        if !self.caught_up && !self.intents.get(&id).is_some_and(|intent| intent.want.catches_up()) {
            return None;
        }
        match self.waits.get(&id) {
            None | Some(Wait::Nothing) => Some(self.now),
            Some(Wait::Answer) => self.sending_wakes_at(id),
            Some(Wait::Until(due) | Wait::Change { until: due, .. }) => Some(*due),
            Some(Wait::Turn(_)) => None,
            Some(Wait::End { until, .. }) => *until,
        }
    }
}
