//! Users: driving their clients, and reading their queues.

use std::time::Duration;

use phoenix_core::{
    client::{Client, Event as ClientEvent, EventId, ExchangeId, Output},
    error::PeerFailure,
    identifiers::{GroupId, QsClientId},
    time::Timestamp,
};

use super::{call::Caller, event::Event, state::World};
use crate::{
    names,
    oracle::{Observation, Violation},
    plan::Action,
    user::{Begun, User},
};

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
        if again && !self.users[user].has_left {
            let jitter = Duration::from_millis(self.randoms.users.below(READ_JITTER));
            self.after(self.plan.habits.read_queues + jitter, Event::ReadQueues { user, again });
        }
        if !self.users[user].is_registered {
            return Ok(());
        }
        if let Some(client) = &mut self.users[user].client {
            client.read_queues();
        }
        self.drive_user(user)
    }

    /// Has a user read its queues soon, if the plan says that its client listens: its connection is back, or
    /// another user has told it to look.
    pub(super) fn listen(&mut self, user: usize) {
        if !self.plan.periodic.polls {
            let delay = self.network.delays.draw(&mut self.randoms.network);
            self.after(delay, Event::ReadQueues { user, again: false });
        }
    }

    /// Has a user read its fan-out queue, because it was signalled.
    pub(super) fn signalled(&mut self, user: usize) -> Result<(), Violation> {
        if let Some(client) = self.users[user].client.as_mut().filter(|client| client.is_registered()) {
            client.read_fan_out_queue();
        }
        self.drive_user(user)
    }

    /// Carries a homeserver's signal, that a queue has grown, to the queue's owner. The network may lose it
    /// where users poll.
    pub(super) fn signal(&mut self, client: &QsClientId) {
        let qs_client = |client: &Option<Client>| client.as_ref().and_then(Client::qs_client);
        let Some(user) = self.users.iter().position(|user| qs_client(&user.client) == Some(*client)) else {
            return;
        };
        let arrivals = self.network.send(&mut self.randoms.network);
        let in_time = || self.network.delays.most;
        let delay = arrivals.first().copied().or_else(|| (!self.plan.periodic.polls).then(in_time));
        if let Some(delay) = delay {
            self.after(delay, Event::Signalled { user });
        }
    }

    /// Hands the outcome of an exchange to the process of a client that began it, if it still runs.
    pub(super) fn answer_user(
        &mut self,
        user: usize,
        start: u32,
        exchange: ExchangeId,
        request: &[u8],
        answer: Result<Vec<u8>, PeerFailure>,
    ) -> Result<(), Violation> {
        let now = self.user_time(user);
        let to = &mut self.users[user];
        if !to.is_running(start) {
            return Ok(());
        }
        if let Ok(answer) = &answer
            && let Some(entries) = self.oracles.restored.answered(&to.id, request, answer)
            && let Some(queue) = to.client.as_ref().and_then(Client::qs_client)
        {
            self.oracles.journeys.returned(queue, entries, self.trace.current());
        }
        if let Some(client) = &mut to.client {
            client.respond(exchange, answer, now);
        }
        self.drive_user(user)
    }

    /// Polls a client, if it runs, until it has nothing more to do now, or crashes.
    pub(super) fn drive_user(&mut self, user: usize) -> Result<(), Violation> {
        let now = self.user_time(user);
        while let Some(output) = self.users[user].client.as_mut().and_then(|client| client.poll(now)) {
            match output {
                Output::Save(save) => self.save(user, save),
                Output::Request(exchange) => {
                    let User { id, start, .. } = &self.users[user];
                    let caller = Caller::User { user, start: *start, exchange: exchange.id };
                    self.oracles.restored.sent(id, &exchange.request, self.trace.current())?;
                    self.oracles.misdelivered.sent(user, &exchange.domain, &exchange.request)?;
                    let request = self.damaged(user, exchange.request);
                    self.call(caller, &exchange.domain, request);
                }
                Output::Event(id, event) => self.show(user, id, &event)?,
                Output::Stopped => self.stop_client(user),
            }
            self.step_to_doom(user);
        }
        self.wake_when_due(user, now);
        Ok(())
    }

    fn wake_when_due(&mut self, user: usize, now: Timestamp) {
        let Some(due) = self.users[user].client.as_ref().and_then(Client::next_wake) else { return };
        // At least a millisecond from now, so that time moves on.
        let due = due.max(now + Duration::from_millis(1));
        if self.users[user].wake.is_none_or(|wake| due < wake || wake <= now) {
            self.users[user].wake = Some(due);
            self.after(due - now, Event::WakeUser { user, due });
        }
    }

    /// Shows an event to a user, and to the oracles unless it is a repeat.
    fn show(&mut self, user: usize, id: EventId, event: &ClientEvent) -> Result<(), Violation> {
        if !self.is_end_of_own(user, event) {
            self.trace.tells();
        }
        self.trace.note(format!("user {user} {}", names::client_event(event)));
        self.confirm_later(user, id);
        let user_id = self.users[user].id.clone();
        let client = self.users[user].client.as_ref().filter(|_| changes_groups(event));
        let groups = client.map_or_else(Vec::new, Client::groups);
        self.learn_connections(&groups);
        let (number, step) = (self.trace.current(), self.trace.count());
        let observation = Observation { user, user_id: &user_id, event, groups: &groups, number, step };
        if !self.oracles.restored.shows(id, &observation)? {
            return Ok(());
        }
        self.take_in(user, event);
        self.mark_event(event);
        self.oracles.observe(&observation)?;
        if let Some(group) = unfollowed(event)
            && self.oracles.excused.has_lost(&user_id, group)
        {
            self.give_up_group(user, group);
        }
        Ok(())
    }

    /// Returns whether an event says no more than that the client is done with something of its own, such as
    /// reading its queues.
    fn is_end_of_own(&self, user: usize, event: &ClientEvent) -> bool {
        matches!(event, ClientEvent::Done { intent, outcome: Ok(()) }
            if !self.users[user].begun.contains_key(intent))
    }

    /// Takes in what an event says of the intents of the plan.
    fn take_in(&mut self, user: usize, event: &ClientEvent) {
        match event {
            ClientEvent::Registered => {
                self.users[user].is_registered = true;
                self.learn_user(user);
                self.listen(user);
            }
            ClientEvent::GroupCreated { intent, group } => {
                if let Some(Begun { intent, .. }) = self.users[user].begun.get(intent)
                    && let Action::CreateGroup { group: number } = self.plan.intents[*intent].action
                {
                    self.groups.insert(number, group.clone());
                    let hostile = self.plan.hostile;
                    if hostile.is_some_and(|hostile| [hostile.group, hostile.lone].contains(&number)) {
                        self.oracles.acknowledged.except(group.clone());
                    }
                    self.learn_group(number);
                }
            }
            ClientEvent::Done { intent, outcome } => self.end_intent(user, *intent, outcome),
            _ => {}
        }
    }
}

/// Returns whether an event says that groups, or what members know of them, have changed.
fn changes_groups(event: &ClientEvent) -> bool {
    matches!(
        event,
        ClientEvent::EpochChanged { .. }
            | ClientEvent::Joined(_)
            | ClientEvent::GroupCreated { .. }
            | ClientEvent::Connected(_)
            | ClientEvent::Gap { .. }
    )
}

/// Returns the group that a client cannot follow, according to an event.
fn unfollowed(event: &ClientEvent) -> Option<&GroupId> {
    match event {
        ClientEvent::Gap { group, .. }
        | ClientEvent::Missing { group, .. }
        | ClientEvent::CommitUnprocessable { group, .. }
        | ClientEvent::Declined { group, .. } => Some(group),
        _ => None,
    }
}
