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
//! | [`Step::Commit`] | gives the batch to the store: what an ask costs, or the outcome | [`Operation::settle`] |
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
//!
//! What a caller pays for a question to another homeserver is committed before it is asked: all that would
//! survive a refusal (the last [savepoint](Transaction::savepoint)), and what the handler adds. Then the function starts
//! again on fresh rows, and asks. So one payment asks once, however many operations bring it at the same time.

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
    /// What is to happen for what was paid, once the operation is over.
    effects: Vec<Effect>,
    state: State,
}

enum State {
    Ready,
    Reading,
    Asking(Ask),
    Paying { ask: Ask, effects: Vec<Effect> },
    Committing(Outcome),
    Finished(Option<Outcome>),
}

/// How a pass ended.
enum Ended {
    Reads(Reads),
    Asks(Ask),
    Pays { commit: Commit, ask: Ask, effects: Vec<Effect> },
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
            context: Context::new(homeserver, now, Random::derive(&seed, "name", &[]).array()),
            lane: handler.lane(),
            handler,
            loaded: Loaded::default(),
            seed,
            attempt: 0,
            rounds: 0,
            effects: Vec::new(),
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
            Ended::Pays { commit, ask, effects } => {
                self.state = State::Paying { ask, effects };
                Step::Commit(commit)
            }
            Ended::Comes { commit, outcome } if commit.expect.is_empty() && commit.writes.is_empty() => {
                self.state = State::Finished(None);
                Step::Done(self.with_effects(outcome))
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
        let committed = settlement == Settlement::Committed;
        match std::mem::replace(&mut self.state, State::Ready) {
            State::Committing(outcome) if committed => {
                self.state = State::Finished(Some(self.with_effects(outcome)));
                return;
            }
            State::Paying { ask, effects } if committed => {
                self.effects.extend(effects);
                self.loaded.pay_for(ask);
            }
            State::Committing(_) | State::Paying { .. } => {}
            State::Ready | State::Reading | State::Asking(_) | State::Finished(_) => {
                debug_assert!(false, "settle answers Commit");
                return;
            }
        }
        if self.attempt + 1 < MAX_ATTEMPTS {
            self.attempt += 1;
            self.rounds = 0;
            self.loaded.begin_attempt();
        } else {
            self.give_up();
        }
    }

    /// Ends the operation because the store cannot be read: the caller is told to come back.
    pub fn give_up(&mut self) {
        let refusal = Refusal::Unavailable { retry_after_milliseconds: 1000 };
        let mut transaction = self.transaction();
        let reply = self.handler.refused(&mut transaction, &refusal);
        // Nothing is written. The effects that schedule another try are returned.
        let (_, effects) = transaction.commit(self.version());
        let outcome = self.with_effects(Outcome { reply, effects });
        self.state = State::Finished(Some(outcome));
    }

    /// The outcome, with the effects of what was paid on the way to it.
    fn with_effects(&mut self, mut outcome: Outcome) -> Outcome {
        self.effects.append(&mut outcome.effects);
        outcome.effects = std::mem::take(&mut self.effects);
        outcome
    }

    /// One pass over the handler.
    fn pass(&self) -> Ended {
        let mut transaction = self.transaction();
        let result = self.handler.run(&mut transaction);
        // What poisoned the transaction goes before what the handler made of it.
        let mut result = transaction.poison().cloned().map_or(result, Err);
        if let Err(Interrupt::Ask(ask)) = result {
            if transaction.has_paid_for(&ask) {
                return Ended::Asks(ask);
            }
            transaction.roll_back();
            match self.handler.pay(&mut transaction) {
                Ok(true) => return self.pay(transaction, ask),
                Ok(false) => return Ended::Asks(ask),
                Err(interrupt) => result = Err(interrupt),
            }
        }
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

    /// Leaves to commit what `ask` costs, if it costs anything.
    fn pay(&self, transaction: Transaction<'_>, ask: Ask) -> Ended {
        let (commit, effects) = transaction.commit(self.version());
        if commit.writes.is_empty() { Ended::Asks(ask) } else { Ended::Pays { commit, ask, effects } }
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
