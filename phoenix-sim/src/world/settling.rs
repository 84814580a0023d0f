//! The end of a world: within a bound after the faults end, everything must settle.

use std::time::Duration;

use phoenix_core::{client::Client, identifiers::GroupId};

use super::{event::Event, state::World};
use crate::{
    oracle::{Violation, drained},
    user::User,
};

/// The time between two checks.
const CHECK_EVERY: Duration = Duration::from_secs(2);

/// How many intents of a client a failure lists.
const LISTED: usize = 4;

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
            Some(violation) if since > self.plan.rest_bound() => return Err(violation),
            Some(_) => self.check_settled_later(),
        }
        Ok(())
    }

    /// Returns something that must still happen: a violation, if the bound has passed.
    fn unsettled(&self) -> Option<Violation> {
        let journeys = &self.oracles.journeys;
        // Who is not told that its queue was restored does not know what it has lost, either.
        let untold_of_queue = self.oracles.repaired.unsaid().into_iter().next();
        let lost = || self.oracles.lost().into_iter().next();
        let unsaid = || self.oracles.restored.unsaid().into_iter().next();
        // A marker stands for many deliveries.
        let is_complete = !self.oracles.excused.permitted.permits_gaps();
        let not_enqueued = || self.oracles.enqueued.missing(journeys).filter(|_| is_complete);
        let unmarked = || self.oracles.refused.unmarked().into_iter().next().filter(|_| is_complete);
        let untold = || {
            let excepts = |user: usize, group: &GroupId| {
                let user = &self.users[user].id;
                self.oracles.restored.has_gone_back(user) || self.oracles.repaired.may_miss(user, group)
            };
            self.oracles.malformed.untold(&self.oracles.misdelivered, excepts).into_iter().next()
        };
        let undrained = || {
            let checks =
                self.servers.iter().map(|server| drained::check(server.domain.as_str(), &server.disk));
            checks.filter_map(Result::err).next()
        };
        untold_of_queue
            .or_else(lost)
            .or_else(unsaid)
            .or_else(not_enqueued)
            .or_else(unmarked)
            .or_else(untold)
            .or_else(undrained)
            .or_else(|| self.unfinished())
    }

    /// Returns what the client of a user is about.
    pub(super) fn under_way(&self, user: usize) -> String {
        let views = self.users[user].client.as_ref().map_or_else(Vec::new, Client::under_way);
        let texts = views.iter().map(|view| {
            let awaited =
                view.awaits.as_ref().map_or_else(String::new, |domain| format!(", awaits {domain}"));
            format!("{:?} ({} failures{awaited})", view.what, view.failures)
        });
        texts.take(LISTED).collect::<Vec<_>>().join("; ")
    }

    /// Returns work that was begun and has not ended.
    fn unfinished(&self) -> Option<Violation> {
        let violation = |what, should: &str| Some(Violation::now("unfinished", what, should));
        let wanted = (0..self.plan.intents.len()).filter(|intent| self.is_wanted(*intent)).count();
        if wanted > 0 {
            let intents = self.wanted_intents();
            let what = format!("{wanted} intents of users are not finished: {intents}");
            return violation(what, "Once the faults have ended, users succeed at what they want.");
        }
        // What waits for a group in which nothing need work may wait.
        let may_wait = |user: usize, client: &Client| {
            let mut groups = client.under_way().into_iter().map(|intent| intent.group);
            groups.all(|group| group.is_some_and(|group| self.is_lost_to(user, &group)))
        };
        let is_idle = |user: usize| {
            let User { has_left, client, .. } = &self.users[user];
            let is_done = |client: &Client| client.is_idle() || may_wait(user, client);
            *has_left || client.as_ref().is_some_and(is_done)
        };
        if let Some(user) = (0..self.users.len()).find(|user| !is_idle(*user)) {
            let what = format!("the client of user {user} is not idle: {}", self.under_way(user));
            return violation(what, "Once the faults have ended, clients finish what they are about.");
        }
        let attempts = self.adversary.as_ref().map_or(0, |adversary| adversary.under_way());
        if attempts > 0 {
            let what = format!("{attempts} attempts of the dishonest homeserver have no outcome");
            return violation(what, "Every call ends: with an answer, or after its timeout.");
        }
        let abuses = self.malice.under_way();
        if abuses > 0 {
            let what = format!("{abuses} attempts of malicious clients have no outcome");
            return violation(what, "Every call ends: with an answer, or after its timeout.");
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use phoenix_core::{
        crypto::null::NullCryptography,
        identifiers::{GroupId, UserId},
    };

    use super::*;
    use crate::{
        generate, interpose,
        plan::{Cryptography, DeviceCopy, FaultKind, Settings},
    };

    /// Runs a world of two days, so that queues are renewed, in which no client is set back: what arrived is
    /// not forgotten.
    fn run<T>(seed: u64, look: impl FnOnce(&World) -> T + Send) -> T
    where
        T: Send,
    {
        let (cryptography, span) = (Cryptography::Null, Some(Duration::from_secs(2 * 86_400)));
        let settings =
            Settings { seed, servers: 2, users: 4, messages: 20, span, cryptography, ..Settings::default() };
        let mut plan = generate::plan(&settings);
        let is_older =
            |kind: &FaultKind| matches!(kind, FaultKind::ClientCrash { copy: DeviceCopy::Older(_), .. });
        plan.faults.retain(|fault| !is_older(&fault.kind));
        let looked = interpose::in_world(seed, || {
            let _null = NullCryptography::switch_on();
            let mut world = World::new(plan);
            world.run(&AtomicU64::new(0));
            look(&world)
        });
        looked.unwrap()
    }

    /// Returns whether the message at a position reached a user, and all stages of its way are known.
    fn is_known(world: &World, group: &GroupId, position: u64, user: &UserId) -> bool {
        let mut stages = world.oracles.journeys.of(group, position, user).stages;
        stages.retain(|stage| !stage.what.contains("once more"));
        let expected = if group.domain == user.domain { 4 } else { 6 };
        let is_shown = stages.last().is_some_and(|stage| stage.what.starts_with("shown"));
        is_shown && stages.len() == expected && stages.iter().all(|stage| stage.event.is_some())
    }

    #[test]
    fn every_stage_of_every_message_that_arrived_is_known() {
        for seed in [1, 3] {
            let (received, known) = run(seed, |world| {
                let users = || world.users.iter().map(|user| &user.id);
                let ways = world.groups.values().flat_map(|group| users().map(move |user| (group, user)));
                let positions = ways.flat_map(|way| (0..200).map(move |position| (way, position)));
                let known =
                    positions.filter(|((group, user), position)| is_known(world, group, *position, user));
                (world.oracles.acknowledged.received(), known.count() as u64)
            });
            assert!(received > 20 && known == received, "seed {seed}: {known} of {received}");
        }
    }
}
