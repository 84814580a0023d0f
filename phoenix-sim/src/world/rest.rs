//! The end of a world: faults end, and within a bound everything must come to rest.

use std::time::Duration;

use super::{World, events::Event};
use crate::{
    disk::Trouble,
    oracle::{Violation, drained},
};

/// The longest that it may take, from the end of faults, until everything is at rest.
const BOUND: Duration = Duration::from_secs(20 * 60);

/// How often to look.
const LOOK: Duration = Duration::from_secs(2);

impl World {
    pub(super) fn end_faults(&mut self) -> Result<(), Violation> {
        self.faults_over = true;
        self.network = self.network.calm();
        self.trouble = Trouble::none();
        self.splits.clear();
        for machine in 0..self.machines.len() {
            self.restart(machine)?;
        }
        self.look_again();
        Ok(())
    }

    /// Not because of what happens now: a causal chain is not to consist of looking.
    fn look_again(&mut self) {
        self.schedule.add(self.clock.now() + LOOK, 0, Event::LookForRest);
    }

    pub(super) fn look_for_rest(&mut self) -> Result<(), Violation> {
        let unrest = self.unrest();
        let since = self.clock.elapsed().saturating_sub(self.plan.faults_end);
        match unrest {
            None => self.at_rest = true,
            Some(violation) if since > BOUND => return Err(violation),
            Some(_) => {
                self.look_again();
            }
        }
        Ok(())
    }

    /// What is still to come.
    fn unrest(&self) -> Option<Violation> {
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

    /// Work that was begun and has not ended.
    fn unfinished(&self) -> Option<Violation> {
        let violation = |what| Some(Violation::now("unfinished", what));
        if self.unfinished_intents > 0 {
            return violation(format!(
                "users still want {} things: {}",
                self.unfinished_intents,
                self.wanted()
            ));
        }
        if let Some(user) = self.users.iter().position(|user| !user.client.is_idle()) {
            return violation(format!("the client of user {user} is not done"));
        }
        let attempts = self.adversary.as_ref().map_or(0, |adversary| adversary.under_way());
        if attempts > 0 {
            return violation(format!("{attempts} attempts are under way"));
        }
        None
    }
}
