//! The end of a world: within a bound after the faults end, everything must settle.

use std::time::Duration;

use super::{event::Event, state::World};
use crate::oracle::{Violation, drained};

/// The longest time from the end of faults until everything has settled.
const BOUND: Duration = Duration::from_secs(20 * 60);

/// The time between two checks.
const CHECK_EVERY: Duration = Duration::from_secs(2);

impl World {
    /// Schedules a check, without a cause: a chain of causes must not consist of checks.
    pub(super) fn check_settled_later(&mut self) {
        self.schedule.add(self.clock.now() + CHECK_EVERY, 0, Event::CheckSettled);
    }

    pub(super) fn check_settled(&mut self) -> Result<(), Violation> {
        let since = self.clock.elapsed().saturating_sub(self.plan.faults_end);
        match self.unsettled() {
            None => self.is_settled = true,
            Some(violation) if since > BOUND => return Err(violation),
            Some(_) => self.check_settled_later(),
        }
        Ok(())
    }

    /// Returns something that must still happen: a violation, if the bound has passed.
    fn unsettled(&self) -> Option<Violation> {
        let lost =
            self.oracles.acknowledged.missing(&self.oracles.epochs, &self.oracles.order).into_iter().next();
        let not_enqueued = || self.oracles.enqueued.missing().into_iter().next();
        let unmarked = || self.oracles.refused.unmarked().into_iter().next();
        let undrained = || {
            let checks =
                self.servers.iter().map(|server| drained::check(server.domain.as_str(), &server.disk));
            checks.filter_map(Result::err).next()
        };
        lost.or_else(not_enqueued).or_else(unmarked).or_else(undrained).or_else(|| self.unfinished())
    }

    /// Returns work that was begun and has not ended.
    fn unfinished(&self) -> Option<Violation> {
        let violation = |what| Some(Violation::now("unfinished", what));
        if self.unfinished_intents > 0 {
            let (count, running) = (self.unfinished_intents, self.running_intents());
            return violation(format!("{count} intents of users are not finished; running: {running}"));
        }
        if let Some(user) = self.users.iter().position(|user| !user.client.is_idle()) {
            return violation(format!("the client of user {user} is not idle"));
        }
        let attempts = self.adversary.as_ref().map_or(0, |adversary| adversary.under_way());
        if attempts > 0 {
            return violation(format!("{attempts} attempts of the dishonest homeserver have no outcome"));
        }
        None
    }
}
