//! People with clients, and what has happened to each of them.

use std::collections::{BTreeMap, BTreeSet};

use phoenix_core::{
    client::{ClientConfig, Event},
    identifiers::{Domain, GroupId, UserId},
    wire::fan_out::GapReason,
};
use tokio::time;

use crate::{
    client::{Client, ClientError, Events},
    environment,
    local::{Failure, PATIENCE},
    peers::Peers,
};

/// A message that somebody wrote, or read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// In which group.
    pub group: GroupId,
    /// Its position in the group's order.
    pub position: u64,
    /// Who wrote it.
    pub from: UserId,
    /// What.
    pub text: String,
}

/// What has happened to somebody.
#[derive(Debug, Default)]
pub struct Seen {
    /// Who is a contact.
    pub connected: BTreeSet<UserId>,
    /// Groups entered by invitation.
    pub joined: BTreeSet<GroupId>,
    /// Messages of others, in the order in which they came.
    pub messages: Vec<Message>,
    /// Markers in place of what was not delivered.
    pub gaps: Vec<(GroupId, GapReason)>,
}

/// Somebody with a client.
pub struct Person {
    /// What we call them.
    pub name: &'static str,
    /// The client.
    pub client: Client,
    /// What has happened.
    pub seen: Seen,
    events: Events,
}

impl Person {
    /// Registers somebody with the homeserver of `domain`.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn register(
        name: &'static str,
        domain: &Domain,
        peers: Peers,
        password: &str,
    ) -> Result<Self, Failure> {
        let (client, events) = Client::start(ClientConfig::new(domain.clone()), peers, environment::seed());
        let person = Self { name, client, seen: Seen::default(), events };
        person.client.register(password.as_bytes()).await.map_err(person.failed("registering"))?;
        Ok(person)
    }

    /// Who they are.
    pub fn user(&self) -> &UserId {
        self.client.user_id()
    }

    /// Takes what happens until `condition` holds.
    ///
    /// # Errors
    /// [`Failure`] if it does not hold in time, or something happens that must not.
    pub async fn until(&mut self, what: &str, condition: impl Fn(&Seen) -> bool) -> Result<(), Failure> {
        let name = self.name;
        let taking = async {
            while !condition(&self.seen) {
                match self.events.next().await {
                    Some(event) => self.take(event)?,
                    None => return Err(Failure(format!("{name}'s client has stopped"))),
                }
            }
            Ok(())
        };
        match time::timeout(PATIENCE, taking).await {
            Ok(taken) => taken,
            Err(_) => {
                let Seen { messages, gaps, .. } = &self.seen;
                let (messages, gaps) = (messages.len(), gaps.len());
                Err(Failure(format!("{name} waited in vain: {what} ({messages} messages, {gaps} gaps)")))
            }
        }
    }

    /// Waits for the entry of the queue that follows the first `before`, and takes all that happens by it.
    ///
    /// # Errors
    /// [`Failure`] if it does not come in time, or something happens that must not.
    pub async fn until_queue_grows(&mut self, before: u64) -> Result<(), Failure> {
        match time::timeout(PATIENCE, self.client.has_read(before + 1)).await {
            Ok(read) => read.map_err(self.failed("reading"))?,
            Err(_) => return Err(Failure(format!("{} waited in vain: an entry of the queue", self.name))),
        }
        while let Some(event) = self.events.try_next() {
            self.take(event)?;
        }
        Ok(())
    }

    fn take(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Connected(user) => _ = self.seen.connected.insert(user),
            Event::Joined(group) => _ = self.seen.joined.insert(group),
            Event::Message { group, position, from, text } => {
                let text = String::from_utf8_lossy(&text).into_owned();
                self.seen.messages.push(Message { group, position, from, text });
            }
            Event::Gap { group, reason, .. } => self.seen.gaps.push((group, reason)),
            Event::Registered
            | Event::GroupCreated(_)
            | Event::ConnectionRequested(_)
            | Event::MessageAcknowledged { .. }
            | Event::EpochChanged { .. } => {}
            trouble => return Err(Failure(format!("{}: {trouble:?}", self.name))),
        }
        Ok(())
    }

    /// Becomes a contact of `other`, who finds the request in the direct queue and accepts.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn connect(&mut self, other: &mut Self) -> Result<(), Failure> {
        self.client.connect(other.user()).await.map_err(self.failed("connecting"))?;
        other.client.read().await.map_err(other.failed("reading"))?;
        let user = other.user().clone();
        self.until("the connection is accepted", |seen| seen.connected.contains(&user)).await?;
        let user = self.user().clone();
        other.until("the connection is there", |seen| seen.connected.contains(&user)).await
    }

    /// Writes to a group, and returns once the group's homeserver has taken responsibility.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn write(&self, group: &GroupId, text: String) -> Result<Message, Failure> {
        let sent = self.client.send(group, text.as_bytes()).await;
        let position = sent.map_err(self.failed("writing"))?;
        Ok(Message { group: group.clone(), position, from: self.user().clone(), text })
    }

    /// Takes what happens until as many messages of others have come as were written.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn read(&mut self, written: &[Message]) -> Result<(), Failure> {
        let wanted = self.for_me(written).count();
        self.until("everything written", |seen| seen.messages.len() >= wanted).await
    }

    fn for_me<'a>(&'a self, written: &'a [Message]) -> impl Iterator<Item = &'a Message> {
        written.iter().filter(|message| message.from != *self.user())
    }

    /// Compares what was read with what was written: how much of it came, is lost, and came again.
    ///
    /// # Errors
    /// [`Failure`] if anything came that was not written, or not in its group's order.
    pub fn compare(&self, written: &[Message]) -> Result<(u64, u64, u64), Failure> {
        let mut due: BTreeMap<(&GroupId, u64), (&Message, u64)> =
            self.for_me(written).map(|message| ((&message.group, message.position), (message, 0))).collect();
        let mut last: BTreeMap<&GroupId, u64> = BTreeMap::new();
        let failed = |what: &str| Err(Failure(format!("{} has read {what}", self.name)));
        for message in &self.seen.messages {
            let count = match due.get_mut(&(&message.group, message.position)) {
                Some((written, count)) if *written == message => count,
                _ => return failed("what nobody wrote"),
            };
            *count += 1;
            let last = last.entry(&message.group).or_default();
            if *count == 1 && *last > message.position {
                return failed("in another order than the group's");
            }
            *last = message.position;
        }
        let delivered = due.values().filter(|(_, count)| *count > 0).count() as u64;
        let lost = due.len() as u64 - delivered;
        let total: u64 = due.values().map(|(_, count)| count).sum();
        Ok((delivered, lost, total - delivered))
    }

    /// Entries of the queue that no position of a group accounts for. What the client drops because it has it
    /// already is counted here: so only the difference between two looks says something.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn surplus(&self) -> Result<u64, Failure> {
        let entries = self.client.entries_read().await.map_err(self.failed("looking"))?;
        let groups = self.client.groups().await.map_err(self.failed("looking"))?;
        let positions: u64 = groups.iter().filter_map(|group| group.last_position).sum();
        Ok(entries.wrapping_sub(positions))
    }

    /// What to make of an error of the client.
    pub fn failed(&self, what: &'static str) -> impl Fn(ClientError) -> Failure + use<> {
        let name = self.name;
        move |error| Failure(format!("{name}, {what}: {error}"))
    }
}
