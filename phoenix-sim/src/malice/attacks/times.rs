//! Requests whose time lies outside the window (PROTOCOL.md §2.3): the window is what answers are remembered
//! for.

use std::time::Duration;

use phoenix_core::time::{HOUR, MINUTE, Timestamp};

use crate::malice::{
    attempt::Attempt,
    knowledge::{Lender, Malice},
};

/// By how much a request is beyond the window: more than the clocks of a world are off.
const BEYOND: Duration = MINUTE.saturating_mul(5);

/// How far the windows of all homeservers reach.
const PAST: Duration = HOUR;
const FUTURE: Duration = MINUTE.saturating_mul(5);

impl Malice {
    /// A request of the lender, valid but for its time.
    fn at_another_time(
        &mut self,
        name: &'static str,
        lender: &Lender,
        time: Timestamp,
        now: Timestamp,
    ) -> Option<Attempt> {
        let heard =
            self.heard(|heard| heard.is_of(lender) && heard.is_recent(now) && heard.kind.rules().timed())?;
        let mut envelope = self.anew(&heard.envelope, time);
        // A spent one: time comes before tokens.
        envelope.token = heard.envelope.token.clone();
        Some(lender.prove(envelope)?.attempt(name, lender, heard.to, &[201]))
    }

    /// A request of the past.
    pub(super) fn of_the_past(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        self.at_another_time("request of the past", lender, now - (PAST + BEYOND), now)
    }

    /// A request of the future.
    pub(super) fn of_the_future(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        self.at_another_time("request of the future", lender, now + FUTURE + BEYOND, now)
    }
}
