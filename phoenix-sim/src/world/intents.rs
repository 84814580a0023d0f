//! What users want, and how they go about it.

use std::time::Duration;

use phoenix_core::{
    client::{ClientError, Event as Said, Output, TaskId},
    identifiers::QsClientId,
    time::Timestamp,
};

use super::{World, calls::Caller, events::Event};
use crate::{
    oracle::{Observation, Violation},
    plan::{Action, Intent},
    user::User,
};

/// How long a user waits for what it wants to become possible, or before it tries again.
const TRY_AGAIN: Duration = Duration::from_secs(3);

/// How often users look into their queues of their own accord.
const READ_QUEUES: Duration = Duration::from_secs(20);

impl World {
    /// What the user's clock reads: that of its homeserver.
    pub(super) fn user_time(&self, user: usize) -> Timestamp {
        self.servers[self.users[user].server].skew.reads(self.clock.now())
    }

    pub(super) fn wake_user(&mut self, user: usize, due: Timestamp) -> Result<(), Violation> {
        if self.users[user].wake == Some(due) {
            self.users[user].wake = None;
            return self.drive_user(user);
        }
        Ok(())
    }

    pub(super) fn read_queues(&mut self, user: usize, again: bool) -> Result<(), Violation> {
        if again {
            let jitter = Duration::from_millis(self.randoms.users.below(2_000));
            self.after(READ_QUEUES + jitter, Event::ReadQueues { user, again });
        }
        if !self.users[user].is_registered {
            return Ok(());
        }
        self.users[user].client.read_queues();
        self.drive_user(user)
    }

    /// A homeserver says that a queue has grown: its owner hears of it, if the network lets it.
    pub(super) fn signal(&mut self, client: &QsClientId) {
        let Some(user) = self.users.iter().position(|user| user.client.qs_client() == Some(*client)) else {
            return;
        };
        if let Some(delay) = self.network.send(&mut self.randoms.network).first() {
            self.after(*delay, Event::ReadQueues { user, again: false });
        }
    }

    /// Lets a client do all that it has to do now.
    pub(super) fn drive_user(&mut self, user: usize) -> Result<(), Violation> {
        let now = self.user_time(user);
        while let Some(output) = self.users[user].client.poll(now) {
            match output {
                Output::Request(exchange) => {
                    let caller = Caller::User(user, exchange.id);
                    self.call(caller, &exchange.domain, exchange.request);
                }
                Output::Event(said) => self.hear(user, &said)?,
                Output::TaskDone(task, outcome) => self.end_task(user, task, &outcome),
            }
        }
        self.wake_when_due(user, now);
        Ok(())
    }

    /// What a user wanted is done, or is tried again.
    fn end_task(&mut self, user: usize, task: TaskId, outcome: &Result<(), ClientError>) {
        let Some(number) = self.users[user].tasks.remove(&task) else { return };
        self.trace.note(format!("intent {number} of user {user}: {outcome:?}"));
        if outcome.is_ok() {
            self.unfinished_intents -= 1;
            return;
        }
        if matches!(self.plan.intents[number].action, Action::CreateGroup(_)) {
            self.users[user].creating.pop_front();
        }
        self.report.fault("failed tasks");
        self.after(TRY_AGAIN, Event::Intent { number });
    }

    fn wake_when_due(&mut self, user: usize, now: Timestamp) {
        let Some(due) = self.users[user].client.next_wake() else { return };
        // At least a millisecond from now, so that time moves on.
        let due = due.max(now + Duration::from_millis(1));
        if self.users[user].wake.is_none_or(|wake| due < wake || wake <= now) {
            self.users[user].wake = Some(due);
            self.after(due - now, Event::WakeUser { user, due });
        }
    }

    fn hear(&mut self, user: usize, said: &Said) -> Result<(), Violation> {
        self.trace.note(format!("user {user}: {said:?}"));
        let moves = matches!(
            said,
            Said::EpochChanged { .. }
                | Said::Joined(_)
                | Said::GroupCreated(_)
                | Said::Connected(_)
                | Said::Gap { .. }
        );
        let groups = if moves { self.users[user].client.groups() } else { Vec::new() };
        match said {
            Said::Registered => self.users[user].is_registered = true,
            Said::Connected(other) => {
                self.users[user].connected.insert(other.clone());
            }
            Said::GroupCreated(group) => {
                if let Some(number) = self.users[user].creating.pop_front() {
                    self.groups.insert(number, group.clone());
                }
            }
            _ => {}
        }
        let user_id = self.users[user].client.user_id();
        let number = self.trace.current();
        self.oracles.observe(&Observation { user, user_id: &user_id, event: said, groups: &groups, number })
    }

    /// Does what is wanted if it is possible, else looks again later.
    pub(super) fn try_intent(&mut self, number: usize) -> Result<(), Violation> {
        let Intent { user, action, .. } = self.plan.intents[number].clone();
        if !self.is_possible(user, &action) {
            self.after(TRY_AGAIN, Event::Intent { number });
            return Ok(());
        }
        self.trace.note(format!("user {user} wants {action:?}"));
        let ids: Vec<_> = self.users.iter().map(|user| user.client.user_id()).collect();
        let group = match &action {
            Action::Invite(group, _) | Action::Send(group, _) | Action::Update(group) => {
                self.groups.get(group)
            }
            Action::Register | Action::Connect(_) | Action::CreateGroup(_) => None,
        };
        let User { client, creating, .. } = &mut self.users[user];
        let task = match (&action, group) {
            (Action::Register, _) => client.register(b"correct horse battery staple"),
            (Action::Connect(other), _) => client.connect(ids[*other].clone()),
            (Action::CreateGroup(group), _) => {
                creating.push_back(*group);
                client.create_group()
            }
            (Action::Invite(_, other), Some(group)) => client.invite(group, &[ids[*other].clone()]),
            (Action::Send(_, text), Some(group)) => client.send(group, text.as_bytes()),
            (Action::Update(_), Some(group)) => client.update(group),
            (_, None) => return Ok(()),
        };
        self.users[user].tasks.insert(task, number);
        self.drive_user(user)
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
            Action::Connect(other) => actor.is_registered && self.users[*other].is_registered,
            Action::CreateGroup(_) => actor.is_registered && actor.creating.is_empty(),
            Action::Invite(group, other) => in_group(group) && actor.connected.contains(&id(*other)),
            Action::Send(group, _) | Action::Update(group) => in_group(group),
        }
    }

    /// What users still want, for a report.
    pub(super) fn wanted(&self) -> String {
        let under_way = self.users.iter().flat_map(|user| user.tasks.values());
        let texts = under_way.map(|number| format!("{:?}", self.plan.intents[*number]));
        texts.take(8).collect::<Vec<_>>().join("; ")
    }
}
