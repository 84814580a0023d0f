//! Intents: what users want, and when they can have it.

use phoenix_core::client::{Client, ClientError, IntentId};

use super::{event::Event, state::World};
use crate::{
    names,
    oracle::Violation,
    plan::{Action, Intent, durations},
    user::{Begun, Kept},
};

/// How many unfinished intents a failure lists.
const LISTED_INTENTS: usize = 8;

/// What all users register with.
const PASSWORD: &[u8] = b"correct horse battery staple";

impl World {
    /// Starts what an intent says if it is possible, else tries again later. What is given up is tried all
    /// the same: it need not succeed, and must do no harm.
    pub(super) fn try_intent(&mut self, number: usize) -> Result<(), Violation> {
        if self.finished.contains_key(&number) || self.is_begun(number) {
            return Ok(());
        }
        let Intent { user, action, .. } = self.plan.intents[number].clone();
        if !self.is_possible(user, &action) {
            self.try_again(number);
            return Ok(());
        }
        self.trace.tells();
        self.trace.note(format!("user {user} wants to {}", names::action(&action)));
        let ids: Vec<_> = self.users.iter().map(|user| user.id.clone()).collect();
        let group = action.group().and_then(|group| self.groups.get(&group));
        let Some(client) = &mut self.users[user].client else { return Ok(()) };
        let intent = match (&action, group) {
            (Action::Register, _) => client.register(PASSWORD),
            (Action::Connect { other }, _) => client.connect(ids[*other].clone()),
            (Action::CreateGroup { .. }, _) => client.create_group(),
            (Action::Invite { other, .. }, Some(group)) => client.invite(group, &[ids[*other].clone()]),
            (Action::Send { text, .. }, Some(group)) => client.send(group, text.as_bytes()),
            (Action::Update { .. }, Some(group)) => client.update(group),
            (Action::Leave, _) => {
                self.leave(number, user);
                return Ok(());
            }
            (_, None) => return Ok(()),
        };
        if let Action::Send { text, .. } = &action {
            self.oracles.repaired.begins(text, self.trace.count());
        }
        self.users[user].begun.insert(intent, Begun { intent: number, kept: Kept::Not });
        self.drive_user(user)
    }

    pub(super) fn try_again(&mut self, intent: usize) {
        self.after(self.plan.habits.try_again, Event::Intent { intent });
    }

    /// Returns whether an intent is neither done nor given up.
    pub(super) fn is_wanted(&self, intent: usize) -> bool {
        !self.finished.contains_key(&intent) && !self.given_up.contains(&intent)
    }

    /// Returns whether a client has begun an intent of the plan and not ended it.
    fn is_begun(&self, intent: usize) -> bool {
        self.users[self.plan.intents[intent].user].begun.values().any(|begun| begun.intent == intent)
    }

    /// Finishes the intent of the plan that a client's intent served, or schedules another try of it.
    pub(super) fn end_intent(&mut self, user: usize, id: IntentId, outcome: &Result<(), ClientError>) {
        let Some(Begun { intent, .. }) = self.users[user].begun.remove(&id) else {
            // It could not read its queues.
            if outcome.is_err() && !self.plan.periodic.polls {
                self.after(self.plan.habits.try_again, Event::ReadQueues { user, again: false });
            }
            return;
        };
        let outcome_text =
            outcome.as_ref().map_or_else(|error| format!("has failed: {error}"), |()| "is done".into());
        self.trace.note(format!("intent {intent} of user {user} {outcome_text}"));
        // An attempt whose outcome was not known may have succeeded.
        if outcome.is_ok() || matches!(outcome, Err(ClientError::AlreadyMember(_))) {
            self.finished.insert(intent, self.trace.count());
            if let Action::Connect { other } = self.plan.intents[intent].action {
                self.listen(other);
            }
            return;
        }
        self.report.fault("failed intents");
        let group = self.plan.intents[intent].action.group().and_then(|group| self.groups.get(&group));
        let user = &self.users[user].id;
        if group.is_some_and(|group| self.oracles.repaired.has_lost(user, group)) {
            // Whoever tried for ever would have no tokens left for other groups.
            self.given_up.insert(intent);
        } else {
            self.try_again(intent);
        }
    }

    fn is_possible(&self, user: usize, action: &Action) -> bool {
        let actor = &self.users[user];
        let Some(client) = &actor.client else { return false };
        let in_group = |number: &usize| {
            self.groups.get(number).is_some_and(|group| {
                client.groups().iter().any(|view| view.group_id == *group && view.healthy)
            })
        };
        match action {
            Action::Leave => self.may_leave(user),
            Action::Register => true,
            Action::Connect { other } => actor.is_registered && self.users[*other].is_registered,
            Action::CreateGroup { .. } => actor.is_registered,
            Action::Invite { group, other } => {
                in_group(group) && client.contacts().contains(&self.users[*other].id)
            }
            Action::Send { group, .. } | Action::Update { group } => in_group(group),
        }
    }

    /// Returns whether everything is done that a user wanted, and those in its groups, and whether it has
    /// received all that was for it.
    fn may_leave(&self, user: usize) -> bool {
        let is_others = |intent: usize| self.plan.intents[intent].action != Action::Leave;
        let until = self.clock.elapsed();
        let mut wanted = (0..self.plan.intents.len()).filter(|intent| {
            self.plan.intents[*intent].at <= until && is_others(*intent) && self.is_wanted(*intent)
        });
        let is_idle = self.users[user].client.as_ref().is_some_and(Client::is_idle);
        wanted.next().is_none() && is_idle && self.oracles.lost().is_empty()
    }

    /// Switches the device of a user off for good.
    fn leave(&mut self, intent: usize, user: usize) {
        self.users[user].has_left = true;
        self.users[user].client = None;
        self.finished.insert(intent, self.trace.count());
    }

    /// Returns what a user waits for who has not begun an intent.
    fn obstacle(&self, user: usize, action: &Action) -> String {
        let Some(client) = &self.users[user].client else {
            return "waits for the restart of its client".to_owned();
        };
        let mut unregistered = self.users.iter().enumerate().filter(|(number, other)| {
            let is_needed = *number == user || matches!(action, Action::Connect { other } if other == number);
            is_needed && !other.is_registered
        });
        if let Some((number, _)) = unregistered.next() {
            return format!("waits until user {number} is registered");
        }
        let Some(group) = action.group() else { return "can begin".to_owned() };
        let Some(id) = self.groups.get(&group) else { return format!("waits until group {group} exists") };
        match (client.groups().into_iter().find(|view| view.group_id == *id), action) {
            (None, _) => format!("waits until user {user} is a member"),
            (Some(view), _) if !view.healthy => "cannot follow the group any further".to_owned(),
            (_, Action::Invite { other, .. }) if !client.contacts().contains(&self.users[*other].id) => {
                format!("waits until user {user} is connected with user {other}")
            }
            _ => "can begin".to_owned(),
        }
    }

    /// Returns some of the intents that are not finished, for a failure's text.
    pub(super) fn wanted_intents(&self) -> String {
        let wanted = (0..self.plan.intents.len()).filter(|intent| self.is_wanted(*intent));
        let texts = wanted.map(|intent| {
            let Intent { at, user, action } = &self.plan.intents[intent];
            let begun = if self.is_begun(intent) {
                format!("is under way in the client, which is about: {}", self.under_way(*user))
            } else {
                self.obstacle(*user, action)
            };
            let (at, action) = (durations::text(*at), names::action(action));
            format!("user {user} wants to {action} since {at} (intent {intent}) and {begun}")
        });
        texts.take(LISTED_INTENTS).collect::<Vec<_>>().join("; ")
    }
}
