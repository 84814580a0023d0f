//! When everything must have settled: a bound that follows from the plan's own times.

use std::time::Duration;

use phoenix_core::time::MINUTE;

use super::{bounds::Bound, world::Plan};

/// How long a caller waits for an answer that does not come.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// How long a client waits at most between two attempts (its `backoff_limit`).
const CLIENT_PATIENCE: Duration = Duration::from_secs(30);

/// How often what a user wants may have to be begun anew in turn: it connects, invites, and sends.
const IN_TURN: u32 = 3;

impl Plan {
    /// Returns the longest time from the end of the faults until everything has settled.
    ///
    /// When the faults end, everything is reachable, but not everyone knows: what waits last is the longest of
    /// homeservers' waits (they try again, then deliver), then of clients' (they hear of it, read, and answer),
    /// for each step that a user takes in turn. Where rates are low, what has piled up needs its time besides.
    pub fn rest_bound(&self) -> Duration {
        let times = self.servers.iter().map(|server| &server.config.times);
        let backoff = times.clone().map(|times| times.backoff_limit).max().unwrap_or_default();
        let key_retry = times.clone().map(|times| times.key_retry).max().unwrap_or_default();
        let lease = times.map(|times| times.lease).max().unwrap_or_default();
        // A delivery is tried again, by another process perhaps; the other homeserver could not ask for keys.
        let homeservers = 2 * TIMEOUT + backoff + key_retry + lease + self.habits.scan_timers;
        let clients = 2 * TIMEOUT + CLIENT_PATIENCE + self.habits.read_queues + self.habits.try_again;
        homeservers + clients * IN_TURN + self.pauses() + self.piled_up()
    }

    /// Returns the longest pause of a client that a homeserver has told to come back later.
    fn pauses(&self) -> Duration {
        let is_told = Bound::ALL.into_iter().any(|bound| self.is_small(bound)) || self.sets_server_clocks();
        if is_told { 5 * MINUTE } else { Duration::ZERO }
    }

    /// Returns how long low rates may hold up what has piled up.
    fn piled_up(&self) -> Duration {
        let (users, intents) = (self.users.len() as u32, self.intents.len() as u32);
        let rates = self.servers.iter().map(|server| &server.config.rates);
        let frame = rates.map(|rates| rates.token_time_frame).min().unwrap_or_default();
        let of = |bound: Bound, time: Duration| if self.is_small(bound) { time } else { Duration::ZERO };
        // One user a minute; twenty tokens, which are as many requests, in each time frame; two deliveries a
        // second, of which a message is one for each member.
        of(Bound::Registrations, users * MINUTE)
            + of(Bound::TokenAllowance, intents.div_ceil(20) * frame)
            + of(Bound::DomainTokens, intents.div_ceil(20) * frame)
            + of(Bound::NewDomains, intents.div_ceil(20) * frame)
            + of(Bound::FirstContacts, users * MINUTE)
            + of(Bound::SourceRate, intents * Duration::from_secs(3))
    }
}
