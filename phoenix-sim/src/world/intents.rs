//! Intents: what users want, and when they can have it.

use std::time::Duration;

use super::{event::Event, state::World};
use crate::{
    oracle::Violation,
    plan::{Action, Intent},
    user::User,
};

/// How long a user waits before it tries an intent again.
const TRY_AGAIN: Duration = Duration::from_secs(3);

/// How many running intents a failure lists.
const LISTED_INTENTS: usize = 8;

/// What all users register with.
const PASSWORD: &[u8] = b"correct horse battery staple";

impl World {
    /// Starts what an intent says if it is possible, else tries again later.
    pub(super) fn try_intent(&mut self, number: usize) -> Result<(), Violation> {
        let Intent { user, action, .. } = self.plan.intents[number].clone();
        if !self.is_possible(user, &action) {
            self.try_again(number);
            return Ok(());
        }
        self.trace.note(format!("user {user} wants {action:?}"));
        let ids: Vec<_> = self.users.iter().map(|user| user.client.user_id()).collect();
        let group = action.group().and_then(|group| self.groups.get(&group));
        let User { client, creating, .. } = &mut self.users[user];
        let task = match (&action, group) {
            (Action::Register, _) => client.register(PASSWORD),
            (Action::Connect { other }, _) => client.connect(ids[*other].clone()),
            (Action::CreateGroup { group }, _) => {
                creating.push_back(*group);
                client.create_group()
            }
            (Action::Invite { other, .. }, Some(group)) => client.invite(group, &[ids[*other].clone()]),
            (Action::Send { text, .. }, Some(group)) => client.send(group, text.as_bytes()),
            (Action::Update { .. }, Some(group)) => client.update(group),
            (_, None) => return Ok(()),
        };
        self.users[user].tasks.insert(task, number);
        self.drive_user(user)
    }

    pub(super) fn try_again(&mut self, intent: usize) {
        self.after(TRY_AGAIN, Event::Intent { intent });
    }

    fn is_possible(&self, user: usize, action: &Action) -> bool {
        let id = |user: usize| self.users[user].client.user_id();
        let actor = &self.users[user];
        let in_group = |number: &usize| {
            self.groups.get(number).is_some_and(|group| {
                actor.client.groups().iter().any(|view| view.group_id == *group && view.healthy)
            })
        };
        match action {
            Action::Register => true,
            Action::Connect { other } => actor.is_registered && self.users[*other].is_registered,
            Action::CreateGroup { .. } => actor.is_registered && actor.creating.is_empty(),
            Action::Invite { group, other } => in_group(group) && actor.connected.contains(&id(*other)),
            Action::Send { group, .. } | Action::Update { group } => in_group(group),
        }
    }

    /// Returns some of the intents that have begun and are not finished, for a failure's text.
    pub(super) fn running_intents(&self) -> String {
        let running = self.users.iter().flat_map(|user| user.tasks.values());
        let texts = running.map(|intent| format!("{:?}", self.plan.intents[*intent]));
        texts.take(LISTED_INTENTS).collect::<Vec<_>>().join("; ")
    }
}
