//! Users with clients, and the events of each.

use std::collections::{BTreeMap, BTreeSet};

use phoenix_core::{
    client::{ClientConfig, Event, StorageKey},
    identifiers::{Domain, GroupId, UserId},
    wire::fan_out::GapReason,
};
use tokio::time;

use crate::{
    client::{Client, ClientError, Events, Received, store::MemoryClientStore},
    environment,
    local::{Failure, PATIENCE},
    peers::Peers,
};

/// A message that a user wrote or read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The group.
    pub group: GroupId,
    /// The position in the group's order.
    pub position: u64,
    /// The sender.
    pub from: UserId,
    /// The text.
    pub text: String,
}

/// The messages that a user read, compared with those that others wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comparison {
    /// Messages that arrived.
    pub delivered: u64,
    /// Messages that did not arrive.
    pub lost: u64,
    /// Repetitions of messages that arrived before.
    pub duplicated: u64,
}

/// What the events of a client have brought.
#[derive(Debug, Default)]
pub struct Seen {
    /// The contacts.
    pub connected: BTreeSet<UserId>,
    /// Groups entered by invitation.
    pub joined: BTreeSet<GroupId>,
    /// Messages of others, in order of arrival.
    pub messages: Vec<Message>,
    /// Gap markers, in place of messages that were not delivered.
    pub gaps: Vec<(GroupId, GapReason)>,
}

/// A user with a client.
pub struct Person {
    /// The name in the report.
    pub name: &'static str,
    /// The client at work.
    pub client: Client,
    /// What the events so far have brought.
    pub seen: Seen,
    events: Events,
}

impl Person {
    /// Registers a user with the homeserver of `domain`.
    ///
    /// # Errors
    /// [`Failure`] if the homeserver refuses.
    pub async fn register(
        name: &'static str,
        domain: &Domain,
        peers: Peers,
        password: &str,
    ) -> Result<Self, Failure> {
        // The user lives no longer than this process.
        let (key, store) = (StorageKey::from_bytes(environment::seed()), MemoryClientStore::default());
        let (client, events) = Client::start(ClientConfig::new(domain.clone()), peers, key, store)?;
        let person = Self { name, client, seen: Seen::default(), events };
        person.client.register(password.as_bytes()).await.map_err(person.failed("registering"))?;
        Ok(person)
    }

    /// The id of the user.
    pub fn user(&self) -> &UserId {
        self.client.user_id()
    }

    /// Handles events until `condition` holds. `what` names the condition in the failure.
    ///
    /// # Errors
    /// [`Failure`] if the condition does not hold in time, or an event tells of an error.
    pub async fn until(&mut self, what: &str, condition: impl Fn(&Seen) -> bool) -> Result<(), Failure> {
        let name = self.name;
        let taking = async {
            while !condition(&self.seen) {
                let received = self.events.next().await.map_err(self.failed("waiting"))?;
                self.take(received).await?;
            }
            Ok(())
        };
        match time::timeout(PATIENCE, taking).await {
            Ok(taken) => taken,
            Err(_) => {
                let Seen { messages, gaps, .. } = &self.seen;
                let (messages, gaps) = (messages.len(), gaps.len());
                Err(Failure(format!("{name} waited too long: {what} ({messages} messages, {gaps} gaps)")))
            }
        }
    }

    /// Waits until more than `before` entries of the queue are read, and handles their events.
    ///
    /// # Errors
    /// [`Failure`] if no entry comes in time, or an event tells of an error.
    pub async fn until_queue_grows(&mut self, before: u64) -> Result<(), Failure> {
        match time::timeout(PATIENCE, self.client.has_read(before + 1)).await {
            Ok(read) => read.map_err(self.failed("reading"))?,
            Err(_) => return Err(Failure(format!("{} waited too long: an entry of the queue", self.name))),
        }
        while let Some(received) = self.events.try_next() {
            self.take(received).await?;
        }
        Ok(())
    }

    async fn take(&mut self, Received { id, event }: Received) -> Result<(), Failure> {
        self.client.confirm(id).await.map_err(self.failed("confirming"))?;
        match event {
            Event::Connected(user) => _ = self.seen.connected.insert(user),
            Event::Joined(group) => _ = self.seen.joined.insert(group),
            Event::Message { group, position, from, text } => {
                let text = String::from_utf8_lossy(&text).into_owned();
                self.seen.messages.push(Message { group, position, from, text });
            }
            Event::Gap { group, reason, .. } => self.seen.gaps.push((group, reason)),
            Event::Registered
            | Event::GroupCreated { .. }
            | Event::ConnectionRequested(_)
            | Event::MessageAcknowledged { .. }
            | Event::EpochChanged { .. }
            | Event::Done { outcome: Ok(()), .. } => {}
            trouble @ (Event::Declined { .. }
            | Event::Missing { .. }
            | Event::MessageUnreadable { .. }
            | Event::CommitUnprocessable { .. }
            | Event::Removed(_)
            | Event::QueueRestored { .. }
            | Event::QueueUnreadable { .. }
            | Event::BackgroundFailure(_)
            | Event::Done { .. }
            | Event::OldCopy) => return Err(Failure(format!("{}: {trouble:?}", self.name))),
        }
        Ok(())
    }

    /// Becomes a contact of `other`, whose client finds the request in its direct queue and accepts.
    ///
    /// # Errors
    /// [`Failure`] if the request fails or is not accepted in time.
    pub async fn connect(&mut self, other: &mut Self) -> Result<(), Failure> {
        self.client.connect(other.user()).await.map_err(self.failed("connecting"))?;
        other.client.read().await.map_err(other.failed("reading"))?;
        let user = other.user().clone();
        self.until("the connection is accepted", |seen| seen.connected.contains(&user)).await?;
        let user = self.user().clone();
        other.until("the connection is there", |seen| seen.connected.contains(&user)).await
    }

    /// Writes to a group. Returns once the group's homeserver has taken responsibility for the message.
    ///
    /// # Errors
    /// [`Failure`] if the message is not acknowledged.
    pub async fn write(&self, group: &GroupId, text: String) -> Result<Message, Failure> {
        let sent = self.client.send(group, text.as_bytes()).await;
        let position = sent.map_err(self.failed("writing"))?;
        Ok(Message { group: group.clone(), position, from: self.user().clone(), text })
    }

    /// Handles events until as many messages of others have arrived as `written` has.
    ///
    /// # Errors
    /// [`Failure`] if they do not arrive in time, or an event tells of an error.
    pub async fn read(&mut self, written: &[Message]) -> Result<(), Failure> {
        let wanted = self.for_me(written).count();
        self.until("everything written", |seen| seen.messages.len() >= wanted).await
    }

    fn for_me<'a>(&'a self, written: &'a [Message]) -> impl Iterator<Item = &'a Message> {
        written.iter().filter(|message| message.from != *self.user())
    }

    /// Compares the messages read with those that others wrote.
    ///
    /// # Errors
    /// [`Failure`] if a message was never written, or arrived out of its group's order.
    pub fn compare(&self, written: &[Message]) -> Result<Comparison, Failure> {
        let mut due: BTreeMap<(&GroupId, u64), (&Message, u64)> =
            self.for_me(written).map(|message| ((&message.group, message.position), (message, 0))).collect();
        let mut last: BTreeMap<&GroupId, u64> = BTreeMap::new();
        let failed = |what: &str| Err(Failure(format!("{} has read {what}", self.name)));
        for message in &self.seen.messages {
            let count = match due.get_mut(&(&message.group, message.position)) {
                Some((written, count)) if *written == message => count,
                _ => return failed("a message that was never written"),
            };
            *count += 1;
            let last = last.entry(&message.group).or_default();
            if *count == 1 && *last > message.position {
                return failed("messages out of the group's order");
            }
            *last = message.position;
        }
        let delivered = due.values().filter(|(_, count)| *count > 0).count() as u64;
        let lost = due.len() as u64 - delivered;
        let total: u64 = due.values().map(|(_, count)| count).sum();
        Ok(Comparison { delivered, lost, duplicated: total - delivered })
    }

    /// Returns how many entries of the queue no position of a group accounts for, repeated deliveries
    /// included. Only the difference between two results is meaningful.
    ///
    /// # Errors
    /// [`Failure`] if the client has stopped.
    pub async fn surplus(&self) -> Result<u64, Failure> {
        let entries = self.client.entries_read().await.map_err(self.failed("looking"))?;
        let groups = self.client.groups().await.map_err(self.failed("looking"))?;
        let positions: u64 = groups.iter().filter_map(|group| group.last_position).sum();
        Ok(entries.wrapping_sub(positions))
    }

    /// Turns an error of the client into a failure that names the user and what was attempted.
    pub fn failed(&self, what: &'static str) -> impl Fn(ClientError) -> Failure + use<> {
        let name = self.name;
        move |error| Failure(format!("{name}, {what}: {error}"))
    }
}
