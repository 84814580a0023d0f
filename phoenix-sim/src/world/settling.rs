//! The end of a world: within a bound after the faults end, everything must settle.

use std::time::Duration;

use phoenix_core::client::Client;

use super::{event::Event, state::World};
use crate::oracle::{Oracles, Violation, drained};

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
        self.give_up_what_is_lost();
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
        let Oracles { acknowledged, epochs, order, restored, repaired, .. } = &self.oracles;
        let lost = acknowledged.missing(epochs, order, restored, repaired).into_iter().next();
        let unsaid = || restored.unsaid().into_iter().chain(repaired.unsaid()).next();
        let not_enqueued = || self.oracles.enqueued.missing().into_iter().next();
        let unmarked = || self.oracles.refused.unmarked().into_iter().next();
        let undrained = || {
            let checks =
                self.servers.iter().map(|server| drained::check(server.domain.as_str(), &server.disk));
            checks.filter_map(Result::err).next()
        };
        lost.or_else(unsaid)
            .or_else(not_enqueued)
            .or_else(unmarked)
            .or_else(undrained)
            .or_else(|| self.unfinished())
    }

    /// Returns work that was begun and has not ended.
    fn unfinished(&self) -> Option<Violation> {
        let violation = |what| Some(Violation::now("unfinished", what));
        let wanted = (0..self.plan.intents.len()).filter(|intent| self.is_wanted(*intent)).count();
        if wanted > 0 {
            let intents = self.wanted_intents();
            return violation(format!("{wanted} intents of users are not finished: {intents}"));
        }
        // What waits for a group in which nothing need work may wait.
        let may_wait = |user: usize, client: &Client| {
            let mut groups = client.under_way().into_iter().map(|intent| intent.group);
            groups.all(|group| group.is_some_and(|group| self.is_lost_to(user, &group)))
        };
        let is_idle = |user: usize| {
            let client = self.users[user].client.as_ref();
            client.is_some_and(|client| client.is_idle() || may_wait(user, client))
        };
        if let Some(user) = (0..self.users.len()).find(|user| !is_idle(*user)) {
            let under_way = self.users[user].client.as_ref().map(Client::under_way);
            return violation(format!("the client of user {user} is not idle: {under_way:?}"));
        }
        let attempts = self.adversary.as_ref().map_or(0, |adversary| adversary.under_way());
        if attempts > 0 {
            return violation(format!("{attempts} attempts of the dishonest homeserver have no outcome"));
        }
        None
    }
}
