//! Operations: pure functions over records that are restarted until all they need is there.
//!
//! # The calling contract
//!
//! [`Homeserver::accept`](crate::homeserver::Homeserver::accept) turns an input into an [`Operation`]. Its
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
//! Nothing leaves before the commit is settled as [`Settlement::Committed`]: reply and effects come with
//! `Done`. A driver may drop an operation at any step; then nothing happened, or everything did that was
//! committed, and timers found in the store take up the rest. A node runs the operations of one
//! [`Lane`] first in, first out; lanes spare conflicts and decide nothing.
//!
//! Debug builds assert that calls come in this order.

mod context;
pub mod single_flight;
mod step;
pub mod timers;
mod transaction;

pub use context::Context;
pub use step::{Ask, Effect, Interrupt, Lane, Outcome, Report, Step, Timer};
pub use transaction::Transaction;

use crate::{
    error::{PeerFailure, Refusal},
    homeserver::Homeserver,
    limits::{MAX_ATTEMPTS, MAX_ROUNDS},
    rng::Random,
    store::commit::{Reads, Rows, Settlement, Version},
    time::Timestamp,
};

/// What runs: called again from the top until all it reads is there.
pub(crate) type Body =
    Box<dyn Fn(&mut Transaction, &mut Context) -> Result<Option<Vec<u8>>, Interrupt> + Send>;

/// Turns a refusal into a reply, when a body ends in one.
pub(crate) type RefusalReply =
    Box<dyn Fn(&mut Transaction, &mut Context, &Refusal) -> Option<Vec<u8>> + Send>;

/// One input being served. See the [module](self) for how to drive it.
pub struct Operation {
    homeserver: Homeserver,
    body: Body,
    refusal_reply: RefusalReply,
    transaction: Transaction,
    lane: Lane,
    now: Timestamp,
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

impl Operation {
    pub(crate) fn new(
        homeserver: Homeserver,
        lane: Lane,
        may_ask: bool,
        (now, seed): (Timestamp, [u8; 32]),
        body: Body,
        refusal_reply: RefusalReply,
    ) -> Self {
        let transaction = Transaction::new(homeserver.keys().service_key.clone(), may_ask);
        Self {
            homeserver,
            body,
            refusal_reply,
            transaction,
            lane,
            now,
            seed,
            attempt: 0,
            rounds: 0,
            state: State::Ready,
        }
    }

    /// An operation that is over before it began: nothing was read, nothing is written.
    pub(crate) fn finished(homeserver: Homeserver, reply: Option<Vec<u8>>) -> Self {
        let mut operation = Self::new(
            homeserver,
            Lane::Free,
            false,
            (Timestamp::default(), [0; 32]),
            Box::new(|_, _| Ok(None)),
            Box::new(|_, _, _| None),
        );
        operation.state = State::Finished(Some(Outcome { reply, effects: Vec::new() }));
        operation
    }

    /// What the operation contends for.
    pub fn lane(&self) -> &Lane {
        &self.lane
    }

    /// What to do next.
    pub fn poll(&mut self) -> Step {
        if let State::Finished(outcome) = &mut self.state {
            debug_assert!(outcome.is_some(), "poll after Done");
            return Step::Done(outcome.take().unwrap_or(Outcome { reply: None, effects: Vec::new() }));
        }
        debug_assert!(matches!(self.state, State::Ready), "poll while a step is under way");
        self.run()
    }

    /// Gives the rows and scans that [`Step::Read`] asked for.
    pub fn supply(&mut self, rows: Rows) {
        debug_assert!(matches!(self.state, State::Reading), "supply answers Read");
        self.transaction.supply(rows);
        self.state = State::Ready;
    }

    /// Gives what the peer answered to [`Step::Ask`].
    pub fn answer(&mut self, answer: Result<Vec<u8>, PeerFailure>) {
        let State::Asking(ask) = std::mem::replace(&mut self.state, State::Ready) else {
            debug_assert!(false, "answer answers Ask");
            return;
        };
        self.transaction.answer(ask, answer);
    }

    /// Tells what became of [`Step::Commit`].
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
                self.transaction.begin_attempt();
            }
            Settlement::Conflict | Settlement::Unknown => self.give_up(),
        }
    }

    /// The store could not be read: the operation ends, and whoever waits is told to come back.
    pub fn give_up(&mut self) {
        let refusal = Refusal::Unavailable { retry_after_milliseconds: 1000 };
        self.transaction.begin_pass(self.random("give up"));
        let mut context = self.context();
        let reply = (self.refusal_reply)(&mut self.transaction, &mut context, &refusal);
        // Nothing is written; but what is to be done again later, is said.
        let (_, effects) = self.transaction.commit(Version([0; 16]));
        self.state = State::Finished(Some(Outcome { reply, effects }));
    }

    fn random(&self, label: &str) -> Random {
        Random::derive(&self.seed, label, &[&self.attempt.to_be_bytes()])
    }

    fn context(&self) -> Context {
        Context::new(self.homeserver.clone(), self.now, self.random("body"))
    }

    /// One pass over the body.
    fn run(&mut self) -> Step {
        // Sealing of rows and the body draw from streams of their own; both are the same in each pass.
        self.transaction.begin_pass(self.random("rows"));
        let mut context = self.context();
        let result = (self.body)(&mut self.transaction, &mut context);
        let reply = match self.transaction.poison().cloned() {
            Some(Interrupt::Load(reads)) => return self.read(reads),
            Some(Interrupt::Ask(ask)) => {
                self.state = State::Asking(ask.clone());
                return Step::Ask(ask);
            }
            Some(Interrupt::Refuse(refusal)) => self.refuse(&mut context, &refusal),
            None => match result {
                Ok(reply) => reply,
                Err(Interrupt::Refuse(refusal)) => self.refuse(&mut context, &refusal),
                Err(Interrupt::Load(_) | Interrupt::Ask(_)) => {
                    debug_assert!(
                        false,
                        "only the transaction makes these interrupts, and it is poisoned then"
                    );
                    self.refuse(&mut context, &Refusal::Internal)
                }
            },
        };
        let version = Version(self.random("version").array());
        let (commit, effects) = self.transaction.commit(version);
        let outcome = Outcome { reply, effects };
        if commit.expect.is_empty() && commit.writes.is_empty() {
            self.state = State::Finished(None);
            return Step::Done(outcome);
        }
        self.state = State::Committing(outcome);
        Step::Commit(commit)
    }

    fn read(&mut self, reads: Reads) -> Step {
        self.rounds += 1;
        debug_assert!(self.rounds <= MAX_ROUNDS, "an operation reads in a handful of rounds");
        self.state = State::Reading;
        Step::Read(reads)
    }

    fn refuse(&mut self, context: &mut Context, refusal: &Refusal) -> Option<Vec<u8>> {
        self.transaction.refuse();
        (self.refusal_reply)(&mut self.transaction, context, refusal)
    }
}
