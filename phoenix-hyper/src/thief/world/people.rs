//! What users do: each of these comes to its end before the next begins.

use std::{collections::BTreeMap, time::Duration};

use phoenix_core::{
    client::{Client, ClientConfig, IntentId, StorageKey},
    crypto::opaque::PasswordHashing,
    identifiers::GroupId,
    store::RecordKind,
};

use super::{
    engine::Engine,
    truth::{Group, Message, Redemption, Truth, User},
};
use crate::local::Failure;

/// How often something that waits for others is looked at again, and how often at most.
const LOOK: Duration = Duration::from_secs(2);
const LOOKS: usize = 60;

/// The users of the world, and what is true of them.
pub struct People {
    /// The machinery that carries out what they do.
    pub engine: Engine,
    /// What is true.
    pub truth: Truth,
    /// The ids of groups, by their number; those of connections are left out.
    ids: BTreeMap<usize, GroupId>,
}

impl People {
    /// A world of homeservers, without users.
    pub fn new(engine: Engine) -> Self {
        Self { engine, truth: Truth::default(), ids: BTreeMap::new() }
    }

    /// Registers a user at a homeserver.
    pub fn register(&mut self, site: usize) -> Result<(), Failure> {
        let config = ClientConfig {
            // These passwords protect nothing.
            password_hashing: PasswordHashing::CHEAP,
            ..ClientConfig::new(self.engine.sites[site].domain().clone())
        };
        let random = &mut self.engine.random;
        let key = StorageKey::from_bytes(random.array());
        let mut client = Client::new(config, key, random.array());
        let registration = client.register(b"a password");
        self.engine.clients.push(client);
        let allowances = vec![None; self.engine.sites.len()];
        self.truth.users.push(User { site, allowances, ..User::default() });
        self.end(self.truth.users.len() - 1, registration)
    }

    /// Has a user read its queues.
    pub fn read(&mut self, user: usize) -> Result<(), Failure> {
        let reading = self.engine.clients[user].read_queues();
        self.end(user, reading)
    }

    /// Connects two users, unless they are connected.
    pub fn connect(&mut self, one: usize, other: usize) -> Result<(), Failure> {
        if self.are_connected(one, other) {
            return Ok(());
        }
        let id = self.engine.clients[other].user_id();
        let asking = self.engine.clients[one].connect(id);
        self.end(one, asking)?;
        for _ in 0..LOOKS {
            self.read(other)?;
            self.read(one)?;
            if self.are_connected(one, other) && self.are_connected(other, one) {
                let head = self.take_group();
                return match head {
                    Some((site, head)) => {
                        self.truth.groups.push(Group { site, head, members: vec![one, other] });
                        Ok(())
                    }
                    None => Err(Failure("a connection without a group".to_owned())),
                };
            }
            self.wait()?;
        }
        Err(Failure("a connection that never comes about".to_owned()))
    }

    fn are_connected(&self, one: usize, other: usize) -> bool {
        self.engine.clients[one].contacts().contains(&self.engine.clients[other].user_id())
    }

    /// Has the first of `members` form a group with all others. Returns its number.
    pub fn form(&mut self, members: Vec<usize>) -> Result<usize, Failure> {
        let Some((first, others)) = members.split_first() else {
            return Err(Failure("a group of nobody".to_owned()));
        };
        for other in others {
            self.connect(*first, *other)?;
        }
        let known: Vec<_> = self.engine.clients[*first].groups();
        let creation = self.engine.clients[*first].create_group();
        self.end(*first, creation)?;
        let Some((site, head)) = self.take_group() else {
            return Err(Failure("a group without a head row".to_owned()));
        };
        let now: Vec<_> = self.engine.clients[*first].groups();
        let new = now.into_iter().find(|view| known.iter().all(|known| known.group_id != view.group_id));
        let id = new.ok_or_else(|| Failure("no new group".to_owned()))?.group_id;
        let users: Vec<_> = others.iter().map(|other| self.engine.clients[*other].user_id()).collect();
        let invitation = self.engine.clients[*first].invite(&id, &users);
        self.end(*first, invitation)?;
        for member in &members {
            self.read(*member)?;
        }
        self.truth.groups.push(Group { site, head, members });
        let group = self.truth.groups.len() - 1;
        self.ids.insert(group, id);
        Ok(group)
    }

    /// Has a member send a message of this many bytes.
    pub fn send(&mut self, group: usize, sender: usize, length: usize) -> Result<(), Failure> {
        let id = self.ids.get(&group).ok_or_else(|| Failure("no such group".to_owned()))?;
        let sending = self.engine.clients[sender].send(id, &vec![b'x'; length]);
        let sent = self.engine.now();
        self.engine.deeds.retain(|deed| deed.kind != RecordKind::FanOutRow);
        self.end(sender, sending)?;
        let mut rows = self.engine.deeds.iter().filter(|deed| deed.kind == RecordKind::FanOutRow);
        if let Some(deed) = rows.next_back() {
            let row = deed.key.clone();
            self.truth.messages.push(Message { group, sender, length, sent, row });
        }
        Ok(())
    }

    /// Waits until an intent has ended.
    fn end(&mut self, user: usize, intent: IntentId) -> Result<(), Failure> {
        for _ in 0..LOOKS {
            self.engine.run()?;
            self.note();
            match self.engine.take_end(user, intent) {
                Some(Ok(())) => return Ok(()),
                Some(Err(error)) => return Err(Failure(error)),
                None => self.wait()?,
            }
        }
        Err(Failure("an intent that never ends".to_owned()))
    }

    fn wait(&mut self) -> Result<(), Failure> {
        self.engine.pass_to(self.engine.now() + LOOK)
    }

    /// Takes down who has which rows. Groups and messages are taken by those who make them.
    fn note(&mut self) {
        let (groups, others) = std::mem::take(&mut self.engine.deeds)
            .into_iter()
            .partition(|deed| matches!(deed.kind, RecordKind::GroupHead | RecordKind::FanOutRow));
        self.engine.deeds = groups;
        for deed in others {
            let user = &mut self.truth.users[deed.user];
            match deed.kind {
                RecordKind::User | RecordKind::Client => user.account.push(deed.key),
                RecordKind::QsClient => user.queuing = Some(deed.key),
                RecordKind::ClientAllowance => user.allowances[deed.site] = Some(deed.key),
                _ => {
                    let redemption = Redemption { site: deed.site, user: deed.user, row: deed.key };
                    self.truth.redemptions.push(redemption);
                }
            }
        }
    }

    /// Returns the homeserver and the head row of the group that was created last, once.
    fn take_group(&mut self) -> Option<(usize, Vec<u8>)> {
        let heads = self.engine.deeds.extract_if(.., |deed| deed.kind == RecordKind::GroupHead);
        heads.last().map(|deed| (deed.site, deed.key))
    }
}
