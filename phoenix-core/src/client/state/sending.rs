//! PROTOCOL.md §11.3 — what of intents is in memory only: requests on their way, and what is waited for.

use crate::{client::event::ExchangeId, error::PeerFailure, error::Refusal, time::Timestamp};

use super::{super::event::IntentId, intents::Lane};

/// A request on its way: gone after a restart, and sent again.
pub(crate) struct Sending {
    pub exchange: Option<ExchangeId>,
    /// When the exchange is given up.
    pub timeout: Timestamp,
    pub answer: Option<Result<Vec<u8>, PeerFailure>>,
    /// When it is sent again.
    pub next: Timestamp,
    pub failures: u32,
    /// Whether the last sending failed, and the wait after it is not chosen yet.
    pub failed: bool,
    pub last_failure: Option<PeerFailure>,
    pub last_refusal: Option<Refusal>,
    /// Whether the queue was read since its window was over.
    pub asked_state: bool,
}

impl Sending {
    /// A request that has not been sent since the client started.
    pub fn new(now: Timestamp) -> Self {
        Self {
            exchange: None,
            timeout: now,
            answer: None,
            next: now,
            failures: 0,
            failed: false,
            last_failure: None,
            last_refusal: None,
            asked_state: false,
        }
    }

    /// Notes that a sending failed.
    pub fn fail(&mut self, failure: PeerFailure) {
        self.exchange = None;
        self.failures += 1;
        self.failed = true;
        self.last_failure = Some(failure);
    }
}

/// What an intent waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wait {
    /// For nothing: it goes on with the next pass.
    Nothing,
    /// For the answer to its request, or the time of the next sending.
    Answer,
    /// For a time.
    Until(Timestamp),
    /// For something to change, or for a time.
    Change { since: u64, until: Timestamp },
    /// For its turn in a lane.
    Turn(Lane),
    /// For the end of another intent, or for a time.
    End { of: IntentId, until: Option<Timestamp> },
}
