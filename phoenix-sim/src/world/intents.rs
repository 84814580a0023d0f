//! Intents: what users want, and when they can have it.

use std::time::Duration;

use phoenix_core::client::{ClientError, IntentId};

use super::{event::Event, state::World};
use crate::{
    oracle::Violation,
    plan::{Action, Intent},
    user::{Begun, Kept},
};

/// How long a user waits before it tries an intent again.
const TRY_AGAIN: Duration = Duration::from_secs(3);

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
        self.trace.note(format!("user {user} wants {action:?}"));
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
            (_, None) => return Ok(()),
        };
        if let Action::Send { text, .. } = &action {
            self.oracles.repaired.begins(text, self.trace.count());
        }
        self.users[user].begun.insert(intent, Begun { intent: number, kept: Kept::Not });
        self.drive_user(user)
    }

    pub(super) fn try_again(&mut self, intent: usize) {
        self.after(TRY_AGAIN, Event::Intent { intent });
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
        let Some(Begun { intent, .. }) = self.users[user].begun.remove(&id) else { return };
        self.trace.note(format!("intent {intent} of user {user}: {outcome:?}"));
        if outcome.is_ok() {
            self.finished.insert(intent, self.trace.count());
            return;
        }
        self.report.fault("failed intents");
        self.try_again(intent);
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
            Action::Register => true,
            Action::Connect { other } => actor.is_registered && self.users[*other].is_registered,
            Action::CreateGroup { .. } => actor.is_registered,
            Action::Invite { group, other } => {
                in_group(group) && client.contacts().contains(&self.users[*other].id)
            }
            Action::Send { group, .. } | Action::Update { group } => in_group(group),
        }
    }

    /// Returns some of the intents that are not finished, for a failure's text.
    pub(super) fn wanted_intents(&self) -> String {
        let wanted = (0..self.plan.intents.len()).filter(|intent| self.is_wanted(*intent));
        let texts = wanted.map(|intent| {
            let begun = if self.is_begun(intent) { "begun" } else { "not begun" };
            format!("{:?} ({begun})", self.plan.intents[intent])
        });
        texts.take(LISTED_INTENTS).collect::<Vec<_>>().join("; ")
    }
}
