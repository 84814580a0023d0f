//! Users with clients, and the groups that they are in.

use std::collections::BTreeMap;

use futures_util::{StreamExt, TryStreamExt, stream};
use phoenix_core::{
    client::{ClientConfig, Event, StorageKey},
    crypto::opaque::PasswordHashing,
    identifiers::{GroupId, UserId},
};
use tokio::time;

use super::{options::Options, report::Story};
use crate::{
    client::{Client, Events, store::MemoryClientStore},
    environment,
    local::{Failure, PATIENCE, Place},
    peers::Peers,
};

/// A user with a client.
pub struct User {
    /// The client.
    pub client: Client,
    events: Events,
}

/// All users of the bench.
pub struct Crowd {
    /// The users who create groups and send.
    pub senders: Vec<User>,
    /// The users who are invited and read.
    pub recipients: Vec<User>,
}

/// A group, with its users by their index in the [`Crowd`].
pub struct Group {
    /// The id of the group.
    pub id: GroupId,
    /// The sender, an index in [`Crowd::senders`].
    pub sender: usize,
    /// The recipients, indexes in [`Crowd::recipients`].
    pub recipients: Vec<usize>,
}

/// The most groups written to at the same time. Fewer if they are large, since connecting all users takes
/// long.
const GROUPS: usize = 48;

/// The most connections made for one measurement; a single group may need more.
const CONNECTIONS: usize = 800;

/// Registrations and connections under way at once.
const AT_ONCE: usize = 16;

impl User {
    async fn register(place: &Place, peers: &Peers) -> Result<Self, Failure> {
        let config = ClientConfig {
            // These passwords protect nothing, and stretching them would take longer than everything else.
            password_hashing: PasswordHashing::CHEAP,
            ..ClientConfig::new(place.domain.clone())
        };
        // Homeservers are measured, not disks of clients.
        let (key, store) = (StorageKey::from_bytes(environment::seed()), MemoryClientStore::default());
        let (client, events) = Client::start(config, peers.clone(), key, store)?;
        client.register(b"a password").await?;
        Ok(Self { client, events })
    }

    /// Waits for the next event that `wanted` maps to a value.
    ///
    /// # Errors
    /// [`Failure`] on an event that tells of a loss, or if nothing happens for too long.
    pub async fn next<T>(&mut self, mut wanted: impl FnMut(Event) -> Option<T>) -> Result<T, Failure> {
        let waiting = async {
            loop {
                let received = self.events.next().await?;
                self.client.confirm(received.id).await?;
                match received.event {
                    trouble @ (Event::Gap { .. }
                    | Event::Missing { .. }
                    | Event::MessageUnreadable { .. }
                    | Event::CommitUnprocessable { .. }
                    | Event::QueueUnreadable { .. }
                    | Event::Declined { .. }) => return Err(Failure(format!("{trouble:?}"))),
                    event => {
                        if let Some(found) = wanted(event) {
                            return Ok(found);
                        }
                    }
                }
            }
        };
        let nothing = |_| Failure("nothing happened for too long".to_owned());
        time::timeout(PATIENCE, waiting).await.map_err(nothing)?
    }

    /// Waits for the next message. Returns its group and its text.
    pub async fn message(&mut self) -> Result<(GroupId, Vec<u8>), Failure> {
        let message = |event| {
            let Event::Message { group, text, .. } = event else { return None };
            Some((group, text))
        };
        self.next(message).await
    }
}

impl Crowd {
    /// Registers all users: senders at the first homeserver, recipients at the others in turn.
    pub async fn register(
        places: &[Place],
        options: &Options,
        peers: &Peers,
        story: &Story,
    ) -> Result<Self, Failure> {
        let others = if places.len() > 1 { &places[1..] } else { places };
        let senders = GROUPS.min(options.users);
        let homes = (0..senders).map(|_| &places[0]);
        let homes = homes.chain((0..options.users).map(|number| &others[number % others.len()]));
        let progress = story.progress("registering users", senders + options.users);
        let registered = stream::iter(homes.map(|place| async {
            let user = User::register(place, peers).await;
            progress.one();
            user
        }));
        let mut users: Vec<User> = registered.buffered(AT_ONCE).try_collect().await?;
        let recipients = users.split_off(senders);
        Ok(Self { senders: users, recipients })
    }

    /// Returns how many groups of this size are written to at the same time.
    pub fn groups_of(&self, recipients: usize) -> usize {
        (CONNECTIONS / recipients.max(1)).clamp(1, self.senders.len().max(1))
    }

    /// Creates `count` groups of `size` recipients, each with a sender of its own.
    pub async fn groups(&mut self, count: usize, size: usize, story: &Story) -> Result<Vec<Group>, Failure> {
        let all = self.recipients.len();
        let plan: Vec<(usize, Vec<usize>)> = (0..count)
            .map(|sender| (sender, (0..size).map(|number| (sender * size + number) % all).collect()))
            .collect();
        let progress = story.progress("connecting users and creating groups", count * size);
        let users: Vec<UserId> = self.recipients.iter().map(|user| user.client.user_id().clone()).collect();
        let readers: Vec<Client> = self.recipients.iter().map(|user| user.client.clone()).collect();
        let (plan_of, users, readers, progress) = (&plan, &users, &readers, &progress);
        let made = self.senders.iter_mut().zip(plan_of).map(|(sender, (_, members))| async move {
            sender.group_with(members, users, readers, || progress.one()).await
        });
        let ids: Vec<GroupId> = stream::iter(made).buffered(AT_ONCE).try_collect().await?;
        let mut joining: BTreeMap<usize, usize> = BTreeMap::new();
        for member in plan.iter().flat_map(|(_, members)| members) {
            *joining.entry(*member).or_default() += 1;
        }
        for (member, count) in joining {
            for _ in 0..count {
                let joined =
                    |event| matches!(event, Event::Joined(group) if ids.contains(&group)).then_some(());
                self.recipients[member].next(joined).await?;
            }
        }
        let groups = plan.into_iter().zip(ids);
        Ok(groups.map(|((sender, recipients), id)| Group { id, sender, recipients }).collect())
    }
}

impl User {
    /// Connects with those of `members` who are not contacts yet, and creates a group with all of them.
    async fn group_with(
        &mut self,
        members: &[usize],
        users: &[UserId],
        clients: &[Client],
        done: impl Fn(),
    ) -> Result<GroupId, Failure> {
        let known = self.client.contacts().await?;
        let others: Vec<UserId> = members.iter().map(|member| users[*member].clone()).collect();
        let mut missing: Vec<&UserId> = others.iter().filter(|user| !known.contains(user)).collect();
        for (user, member) in others.iter().zip(members) {
            if missing.contains(&user) {
                self.client.connect(user).await?;
                // The recipient would find the request within seconds; this is faster.
                clients[*member].read().await?;
            }
            done();
        }
        while !missing.is_empty() {
            let connected = self.next(|event| {
                let Event::Connected(user) = event else { return None };
                Some(user)
            });
            let connected = connected.await?;
            missing.retain(|user| **user != connected);
        }
        let group = self.client.create_group().await?;
        for some in others.chunks(MEMBERS_PER_COMMIT) {
            self.client.invite(&group, some).await?;
        }
        Ok(group)
    }
}

/// Members invited by one commit.
const MEMBERS_PER_COMMIT: usize = 25;
