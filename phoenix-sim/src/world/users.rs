//! Users: driving their clients, and reading their queues.

use std::time::Duration;

use phoenix_core::{
    client::{ClientError, Event as ClientEvent, Output, TaskId},
    identifiers::QsClientId,
    time::Timestamp,
};

use super::{call::Caller, event::Event, state::World};
use crate::{
    oracle::{Observation, Violation},
    plan::Action,
};

/// How often users read their queues without a signal, apart from jitter.
const READ_QUEUES: Duration = Duration::from_secs(20);

/// The jitter stays below this, in milliseconds.
const READ_JITTER: u64 = 2_000;

impl World {
    pub(super) fn wake_user(&mut self, user: usize, due: Timestamp) -> Result<(), Violation> {
        if self.users[user].wake == Some(due) {
            self.users[user].wake = None;
            return self.drive_user(user);
        }
        Ok(())
    }

    /// Has a user read its queues; `again`: and schedules the next time.
    pub(super) fn read_queues(&mut self, user: usize, again: bool) -> Result<(), Violation> {
        if again {
            let jitter = Duration::from_millis(self.randoms.users.below(READ_JITTER));
            self.after(READ_QUEUES + jitter, Event::ReadQueues { user, again });
        }
        if !self.users[user].is_registered {
            return Ok(());
        }
        self.users[user].client.read_queues();
        self.drive_user(user)
    }

    /// Carries a homeserver's signal, that a queue has grown, to the queue's owner, unless the network loses
    /// it.
    pub(super) fn signal(&mut self, client: &QsClientId) {
        let Some(user) = self.users.iter().position(|user| user.client.qs_client() == Some(*client)) else {
            return;
        };
        if let Some(delay) = self.network.send(&mut self.randoms.network).first() {
            self.after(*delay, Event::ReadQueues { user, again: false });
        }
    }

    /// Polls a client until it has nothing more to do now.
    pub(super) fn drive_user(&mut self, user: usize) -> Result<(), Violation> {
        let now = self.user_time(user);
        while let Some(output) = self.users[user].client.poll(now) {
            match output {
                Output::Request(exchange) => {
                    let caller = Caller::User { user, exchange: exchange.id };
                    self.call(caller, &exchange.domain, exchange.request);
                }
                Output::Event(event) => self.handle_client_event(user, &event)?,
                Output::TaskDone(task, outcome) => self.end_task(user, task, &outcome),
            }
        }
        self.wake_when_due(user, now);
        Ok(())
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

    /// Finishes the intent that a task served, or schedules another try of it.
    fn end_task(&mut self, user: usize, task: TaskId, outcome: &Result<(), ClientError>) {
        let Some(intent) = self.users[user].tasks.remove(&task) else { return };
        self.trace.note(format!("intent {intent} of user {user}: {outcome:?}"));
        if outcome.is_ok() {
            self.unfinished_intents -= 1;
            return;
        }
        if matches!(self.plan.intents[intent].action, Action::CreateGroup { .. }) {
            self.users[user].creating.pop_front();
        }
        self.report.fault("failed tasks");
        self.try_again(intent);
    }

    fn handle_client_event(&mut self, user: usize, event: &ClientEvent) -> Result<(), Violation> {
        self.trace.note(format!("user {user}: {event:?}"));
        let changes_groups = matches!(
            event,
            ClientEvent::EpochChanged { .. }
                | ClientEvent::Joined(_)
                | ClientEvent::GroupCreated(_)
                | ClientEvent::Connected(_)
                | ClientEvent::Gap { .. }
        );
        let groups = if changes_groups { self.users[user].client.groups() } else { Vec::new() };
        match event {
            ClientEvent::Registered => self.users[user].is_registered = true,
            ClientEvent::Connected(other) => {
                self.users[user].connected.insert(other.clone());
            }
            ClientEvent::GroupCreated(group) => {
                if let Some(number) = self.users[user].creating.pop_front() {
                    self.groups.insert(number, group.clone());
                }
            }
            ClientEvent::ConnectionRequested(_)
            | ClientEvent::Joined(_)
            | ClientEvent::Declined { .. }
            | ClientEvent::MessageAcknowledged { .. }
            | ClientEvent::Message { .. }
            | ClientEvent::EpochChanged { .. }
            | ClientEvent::Gap { .. }
            | ClientEvent::Missing { .. }
            | ClientEvent::MessageUnreadable { .. }
            | ClientEvent::CommitUnprocessable { .. }
            | ClientEvent::Removed(_)
            | ClientEvent::QueueRestored { .. }
            | ClientEvent::QueueUnreadable { .. }
            | ClientEvent::BackgroundFailure(_) => {}
        }
        let user_id = self.users[user].client.user_id();
        let number = self.trace.current();
        self.oracles.observe(&Observation { user, user_id: &user_id, event, groups: &groups, number })
    }
}
