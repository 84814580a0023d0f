//! Operations: pure functions over records that are restarted until all they need is there.
//!
//! # The calling contract
//!
//! [`Homeserver::accept`](crate::Homeserver::accept) turns an input into an [`Operation`]. Its
//! driver (a server, a simulator, a test) then repeats: call [`Operation::poll`], do what the [`Step`] says,
//! tell the operation the result, until [`Step::Done`].
//!
//! | step | what the driver does | what it calls then |
//! | --- | --- | --- |
//! | [`Step::Read`] | reads every key and scan named | [`Operation::supply`] with all of them |
//! | [`Step::Ask`] | sends the request to the peer; equal asks under way at the same time may be one | [`Operation::answer`] |
//! | [`Step::Commit`] | gives the batch to the store | [`Operation::settle`] |
//! | [`Step::Done`] | sends the reply, carries out the effects | nothing: the operation is over |
//!
//! A driver whose store cannot be read calls [`Operation::give_up`] instead of `supply`: the caller is told
//! to come back.
//!
//! Nothing leaves before the commit is settled as [`Settlement::Committed`]: reply and effects come with
//! `Done`. A driver may drop an operation at any step; then nothing happened, or everything did that was
//! committed, and timers found in the store take up the rest. A node runs the operations of one
//! [`Lane`] first in, first out; lanes spare conflicts and decide nothing.
//!
//! The whole loop, with a store in memory and without other homeservers, is on the [front page](crate). Debug
//! builds assert that calls come in this order.
//!
//! # Inside
//!
//! An operation runs one `Handler`, a pure function over a [`Transaction`]. Reading a row that is not there
//! leaves the function through `?` with an [`Interrupt`]; the driver fetches the row, and the function is
//! called again from the top, with a new transaction. Of one pass nothing is left for the next but what was
//! loaded. What the last pass read, all of it, is what the commit expects to be still so.

mod context;
mod handler;
mod loaded;
pub mod single_flight;
mod snapshot;
mod step;
#[cfg(test)]
mod tests;
pub mod timers;
mod transaction;

pub use context::Context;
pub(crate) use handler::Handler;
use loaded::Loaded;
pub use snapshot::Snapshot;
pub use step::{Ask, Effect, Interrupt, Lane, Outcome, Report, Step, Timer};
pub use transaction::{Standing, Transaction};

use crate::{
    error::{PeerFailure, Refusal},
    homeserver::Homeserver,
    limits::{MAX_ATTEMPTS, MAX_ROUNDS},
    rng::Random,
    store::{
        Commit,
        commit::{Reads, Rows, Settlement, Version},
    },
    time::Timestamp,
};

/// One input being served. See the [module](self) for how to drive it.
pub struct Operation {
    context: Context,
    handler: Box<dyn Handler>,
    lane: Lane,
    loaded: Loaded,
    seed: [u8; 32],
    attempt: u32,
    rounds: usize,
    state: State,
}

enum State {
    Ready,
    Reading,
    Asking(Ask),
    Committing(Outcome),
    Finished(Option<Outcome>),
}

/// How a pass ended.
enum Ended {
    Reads(Reads),
    Asks(Ask),
    Comes { commit: Commit, outcome: Outcome },
}

impl Operation {
    /// An operation that `handler` serves. `seed` is 32 fresh random bytes.
    pub(crate) fn new(
        homeserver: Homeserver,
        now: Timestamp,
        seed: [u8; 32],
        handler: Box<dyn Handler>,
    ) -> Self {
        Self {
            context: Context::new(homeserver, now),
            lane: handler.lane(),
            handler,
            loaded: Loaded::default(),
            seed,
            attempt: 0,
            rounds: 0,
            state: State::Ready,
        }
    }

    /// What the operation contends for.
    pub const fn lane(&self) -> &Lane {
        &self.lane
    }

    /// What to do next.
    pub fn poll(&mut self) -> Step {
        if let State::Finished(outcome) = &mut self.state {
            debug_assert!(outcome.is_some(), "poll after Done");
            return Step::Done(outcome.take().unwrap_or(Outcome { reply: None, effects: Vec::new() }));
        }
        debug_assert!(matches!(self.state, State::Ready), "poll while a step is under way");
        match self.pass() {
            Ended::Reads(reads) => {
                self.rounds += 1;
                debug_assert!(self.rounds <= MAX_ROUNDS, "an operation reads in a handful of rounds");
                self.state = State::Reading;
                Step::Read(reads)
            }
            Ended::Asks(ask) => {
                self.state = State::Asking(ask.clone());
                Step::Ask(ask)
            }
            Ended::Comes { commit, outcome } if commit.expect.is_empty() && commit.writes.is_empty() => {
                self.state = State::Finished(None);
                Step::Done(outcome)
            }
            Ended::Comes { commit, outcome } => {
                self.state = State::Committing(outcome);
                Step::Commit(commit)
            }
        }
    }

    /// Takes the rows and scans that [`Step::Read`] asked for.
    pub fn supply(&mut self, rows: Rows) {
        debug_assert!(matches!(self.state, State::Reading), "supply answers Read");
        self.loaded.supply(rows);
        self.state = State::Ready;
    }

    /// Takes what the peer answered to [`Step::Ask`].
    pub fn answer(&mut self, answer: Result<Vec<u8>, PeerFailure>) {
        let State::Asking(ask) = std::mem::replace(&mut self.state, State::Ready) else {
            debug_assert!(false, "answer answers Ask");
            return;
        };
        self.loaded.answer(ask, answer);
    }

    /// Takes what became of [`Step::Commit`].
    pub fn settle(&mut self, settlement: Settlement) {
        let State::Committing(outcome) = std::mem::replace(&mut self.state, State::Ready) else {
            debug_assert!(false, "settle answers Commit");
            return;
        };
        match settlement {
            Settlement::Committed => self.state = State::Finished(Some(outcome)),
            Settlement::Conflict | Settlement::Unknown if self.attempt + 1 < MAX_ATTEMPTS => {
                self.attempt += 1;
                self.rounds = 0;
                self.loaded.begin_attempt();
            }
            Settlement::Conflict | Settlement::Unknown => self.give_up(),
        }
    }

    /// Ends the operation because the store cannot be read: the caller is told to come back.
    pub fn give_up(&mut self) {
        let refusal = Refusal::Unavailable { retry_after_milliseconds: 1000 };
        let mut transaction = self.transaction();
        let reply = self.handler.refused(&mut transaction, &refusal);
        // Nothing is written. The effects that schedule another try are returned.
        let (_, effects) = transaction.commit(self.version());
        self.state = State::Finished(Some(Outcome { reply, effects }));
    }

    /// One pass over the handler.
    fn pass(&self) -> Ended {
        let mut transaction = self.transaction();
        let result = self.handler.run(&mut transaction);
        // What poisoned the transaction goes before what the handler made of it.
        let result = transaction.poison().cloned().map_or(result, Err);
        let reply = match result {
            Ok(reply) => reply,
            Err(Interrupt::Load(reads)) => return Ended::Reads(reads),
            Err(Interrupt::Ask(ask)) => return Ended::Asks(ask),
            Err(Interrupt::Refuse(refusal)) => {
                transaction.roll_back();
                self.handler.refused(&mut transaction, &refusal)
            }
        };
        let (commit, effects) = transaction.commit(self.version());
        Ended::Comes { commit, outcome: Outcome { reply, effects } }
    }

    fn transaction(&self) -> Transaction<'_> {
        let may_ask = self.handler.may_ask();
        Transaction::new(&self.context, &self.loaded, may_ask, self.random("rows"), self.random("body"))
    }

    fn version(&self) -> Version {
        Version(self.random("version").array())
    }

    fn random(&self, label: &str) -> Random {
        Random::derive(&self.seed, label, &[&self.attempt.to_be_bytes()])
    }
}
