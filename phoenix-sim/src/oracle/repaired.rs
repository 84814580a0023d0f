//! R1 — after a store is restored from a backup, what was lost is what cannot be had again, and who must be told
//! is told.
//!
//! A homeserver whose store is an older copy has forgotten what came between the copy and the restoration, and
//! cannot know it. What follows from that is excepted from the other oracles, and nothing else:
//!
//! * **Its groups** go on from the position of the copy. What they had ordered since has an order no more, so it
//!   need not reach anyone; it may reach a member still, and its position is given once more. A group that was
//!   founded since is gone. A group whose epoch went back has members ahead of it, for whom there is no way back
//!   yet: nothing need work there.
//! * **Its clients** lose what came into their queues since, and with it invitations: until the restoration, and if
//!   they had read further than the copy goes, until they are told ([`Event::QueueRestored`]), for up to then
//!   entries take positions that they have read.
//! * **Members** that are told of something missing, of a group of that homeserver, or as its clients, need not
//!   receive anything more of that group.
//!
//! Rows that are lost or damaged concern the owner of the queue that they are an entry of, or those that a message
//! on its way was for: they may miss it, and are told at the latest by what comes next. Messages that wait while the
//! position of their stream is damaged may be overtaken by the next ones. All else that a homeserver can have again
//! concerns no one.
//!
//! A message of a text that its sender began to send after the restoration is none of those: it reaches all
//! members that were not told. And each client that had read further than the copy must say so, while no other
//! may.

use std::collections::{BTreeMap, BTreeSet};

use phoenix_core::{
    client::Event,
    codec::{decode, encode},
    identifiers::{Domain, GroupId, LogId, QsClientId, UserId},
    store::{Key, MemoryStore, RecordKind},
};

use super::{observation::Observation, rows::LoggedMessage, violation::Violation};
use crate::schedule::EventNumber;

/// What groups and clients were when stores were copied and restored.
#[derive(Debug, Default)]
pub struct Repaired {
    /// The next position of each group.
    next: BTreeMap<GroupId, u64>,
    /// In which step of the world each group was first heard of.
    founded: BTreeMap<GroupId, u64>,
    /// In which step of the world each text was begun to be sent.
    begun: BTreeMap<Vec<u8>, u64>,
    /// The groups that each user was seen in.
    joined: BTreeSet<(UserId, GroupId)>,
    copies: BTreeMap<usize, StoreCopy>,
    restored: BTreeMap<Domain, Restoration>,
    told: BTreeSet<(UserId, GroupId)>,
    damage: Concerned,
}

/// Whom the damage of rows concerns.
#[derive(Debug, Default)]
struct Concerned {
    /// The owners of queues that have lost an entry, and in which step of the world the last one.
    users: BTreeMap<UserId, u64>,
    /// The homeservers that have lost a message on its way, and when the last one.
    logs: BTreeMap<Domain, u64>,
    /// The streams whose positions were damaged while messages of theirs waited, from a homeserver to another:
    /// what comes next goes to another log, and may overtake those.
    streams: BTreeSet<(Domain, Domain)>,
    /// The groups whose state is damaged.
    groups: BTreeSet<GroupId>,
    /// The rows that are gone, each with the index of its homeserver.
    gone: BTreeSet<(usize, Key)>,
}

/// A client of a homeserver whose store is copied or restored.
#[derive(Debug, Clone)]
pub struct Reader {
    /// Its user.
    pub user: UserId,
    /// Its queue. `None`: it is not known.
    pub queue: Option<QsClientId>,
    /// How many entries of the queue are read for certain.
    pub read: u64,
}

/// A copy of a store.
#[derive(Debug)]
struct StoreCopy {
    domain: Domain,
    step: u64,
    /// The next position of each group.
    next: BTreeMap<GroupId, u64>,
    /// How many entries each queue had had.
    ends: BTreeMap<QsClientId, u64>,
    /// The queues for which deliveries were under way.
    behind: BTreeSet<QsClientId>,
}

/// A store that was replaced by a copy.
#[derive(Debug)]
struct Restoration {
    copy: StoreCopy,
    step: u64,
    number: EventNumber,
    /// The groups in which nothing need work.
    stuck: BTreeSet<GroupId>,
    /// The users whose queues deliveries were under way to when the copy was made.
    behind: BTreeSet<UserId>,
    /// The users that have read what the store does not have, and whether they were told.
    ahead: BTreeMap<UserId, bool>,
    /// In which step users were told.
    said: BTreeMap<UserId, u64>,
}

impl Repaired {
    /// Notes a message that a delivery service writes to the log of its group.
    pub fn logged(&mut self, logged: &LoggedMessage) {
        if matches!(logged.log, LogId::Group(_)) {
            self.next.insert(logged.message.group_id.clone(), logged.message.position + 1);
        }
    }

    /// Notes that a store has lost such a message.
    pub fn unlogged(&mut self, logged: &LoggedMessage) {
        if matches!(logged.log, LogId::Group(_)) {
            self.next.insert(logged.message.group_id.clone(), logged.message.position);
        }
    }

    /// Notes that a user begins to send a text.
    pub fn begins(&mut self, text: &str, step: u64) {
        self.begun.entry(text.as_bytes().to_vec()).or_insert(step);
    }

    /// Notes that a copy of a store is made for a fault. `ends` are how many entries its queues have had,
    /// `behind` those to which deliveries are under way.
    pub fn copied(
        &mut self,
        fault: usize,
        domain: &Domain,
        step: u64,
        ends: BTreeMap<QsClientId, u64>,
        behind: BTreeSet<QsClientId>,
    ) {
        let (domain, next) = (domain.clone(), self.next.clone());
        self.copies.insert(fault, StoreCopy { domain, step, next, ends, behind });
    }

    /// Notes that the copy made for a fault, which has the rows `after`, takes the place of a store with the
    /// rows `before`. Returns the groups that go back, each with the first position that it gives again.
    pub fn restored(
        &mut self,
        fault: usize,
        (before, after): (&MemoryStore, &MemoryStore),
        readers: &[Reader],
        (step, number): (u64, EventNumber),
    ) -> BTreeMap<GroupId, u64> {
        let Some(copy) = self.copies.remove(&fault) else { return BTreeMap::new() };
        let heads = before.keys_of(RecordKind::GroupHead).into_iter();
        let of_homeserver = heads.filter_map(|head| {
            Some(GroupId { uuid: decode(head.name()).ok()?, domain: copy.domain.clone() })
        });
        let mut stuck = BTreeSet::new();
        let mut back = BTreeMap::new();
        for group in of_homeserver {
            back.insert(group.clone(), copy.next.get(&group).copied().unwrap_or(0));
            // A group that is gone has no tree, either.
            if tree_row(&group).is_none_or(|key| before.get(&key) != after.get(&key)) {
                stuck.insert(group);
            }
        }
        let is_behind = |reader: &&Reader| reader.queue.is_none_or(|queue| copy.behind.contains(&queue));
        let is_ahead = |reader: &&Reader| {
            let end = reader.queue.and_then(|queue| copy.ends.get(&queue));
            end.is_some_and(|end| reader.read > *end)
        };
        let behind = readers.iter().filter(is_behind).map(|reader| reader.user.clone()).collect();
        let ahead = readers.iter().filter(is_ahead).map(|reader| (reader.user.clone(), false)).collect();
        self.next.extend(back.clone());
        let domain = copy.domain.clone();
        let said = BTreeMap::new();
        self.restored.insert(domain, Restoration { copy, step, number, stuck, behind, ahead, said });
        back
    }

    /// Notes what a client reports.
    ///
    /// # Errors
    /// It says that its queue was restored, and the store was not.
    pub fn observe(&mut self, observation: &Observation<'_>, is_older: bool) -> Result<(), Violation> {
        let Observation { user_id: user, step, .. } = *observation;
        for view in observation.groups {
            self.founded.entry(view.group_id.clone()).or_insert(step);
            self.joined.insert((user.clone(), view.group_id.clone()));
        }
        match observation.event {
            Event::QueueRestored { direct } => {
                let restoration = self.restored.get_mut(&user.domain);
                if let (Some(restoration), false) = (restoration, *direct) {
                    restoration.said.insert(user.clone(), step);
                    restoration.ahead.entry(user.clone()).and_modify(|told| *told = true);
                } else if !is_older
                    && !self.is_queue_damaged(user)
                    && !self.restored.contains_key(&user.domain)
                {
                    let what = format!("{user} is told of a restored queue, and the store was not restored");
                    let should = "A queue goes on as its owner knows it, unless its store was restored.";
                    return Err(Violation::now("repaired", what, should));
                }
            }
            Event::Gap { group, .. }
            | Event::Missing { group, .. }
            | Event::CommitUnprocessable { group, .. }
            | Event::Declined { group, .. }
                if self.may_miss(user, group) =>
            {
                self.told.insert((user.clone(), group.clone()));
            }
            _ => {}
        }
        Ok(())
    }

    /// Notes that the queue of a user has lost an entry.
    pub fn queue_is_damaged(&mut self, user: &UserId, step: u64) {
        self.damage.users.insert(user.clone(), step);
    }

    /// Notes that a homeserver has lost a message of one of its groups on its way to the recipients.
    pub fn log_is_damaged(&mut self, domain: &Domain, step: u64) {
        self.damage.logs.insert(domain.clone(), step);
    }

    /// Notes that what waits of a stream may be overtaken by what comes next in it.
    pub fn stream_is_damaged(&mut self, from: &Domain, to: &Domain) {
        self.damage.streams.insert((from.clone(), to.clone()));
    }

    /// Notes that the state of a group is damaged.
    pub fn group_is_damaged(&mut self, group: GroupId) {
        self.damage.groups.insert(group);
    }

    /// Notes that a row of homeserver `server` is gone.
    pub fn row_is_gone(&mut self, server: usize, key: &Key) {
        self.damage.gone.insert((server, key.clone()));
    }

    /// Returns whether damage has taken a row of homeserver `server`.
    pub fn has_taken(&self, server: usize, key: &Key) -> bool {
        self.damage.gone.contains(&(server, key.clone()))
    }

    /// Returns whether the state of the group with this log is damaged, and with it where its log goes on.
    pub fn is_log_of_damaged(&self, log: &LogId) -> bool {
        let LogId::Group(uuid) = log else { return false };
        self.damage.groups.iter().any(|group| group.uuid == *uuid)
    }

    /// Returns whether a user may find that its queue cannot be read, and is begun anew.
    pub fn is_queue_damaged(&self, user: &UserId) -> bool {
        self.damage.users.contains_key(user)
    }

    /// Returns whether a message may be one that damage has lost.
    fn is_damaged(&self, user: &UserId, group: &GroupId, text: &[u8]) -> bool {
        let lost = [self.damage.users.get(user), self.damage.logs.get(&group.domain)];
        let begun = self.begun.get(text);
        lost.into_iter().flatten().any(|lost| begun.is_none_or(|begun| begun <= lost))
    }

    /// Returns whether a user may be told that it misses something of a group.
    pub fn may_miss(&self, user: &UserId, group: &GroupId) -> bool {
        let Concerned { users, logs, groups, .. } = &self.damage;
        if users.contains_key(user) || logs.contains_key(&group.domain) || groups.contains(group) {
            return true;
        }
        if self.is_overtaken(user, group) {
            return true;
        }
        self.restored.contains_key(&group.domain) || self.restored.contains_key(&user.domain)
    }

    /// Returns whether messages of a group may have been overtaken on their way to a user.
    fn is_overtaken(&self, user: &UserId, group: &GroupId) -> bool {
        self.damage.streams.contains(&(group.domain.clone(), user.domain.clone()))
    }

    /// Returns whether nothing need work in a group.
    pub fn is_stuck(&self, group: &GroupId) -> bool {
        let restoration = self.restored.get(&group.domain);
        self.damage.groups.contains(group) || restoration.is_some_and(|of| of.stuck.contains(group))
    }

    /// Returns whether a user cannot send to a group for certain: nothing need work there, or it was told so.
    pub fn has_lost(&self, user: &UserId, group: &GroupId) -> bool {
        self.is_stuck(group) || self.told.contains(&(user.clone(), group.clone()))
    }

    /// Returns whether a user need not receive what is sent to a group, and cannot send there.
    pub fn excepts(&self, user: &UserId, group: &GroupId) -> bool {
        self.has_lost(user, group) || self.is_left_out(&(user.clone(), group.clone()))
    }

    /// Returns whether the invitation of a user to a group may be lost.
    fn is_left_out(&self, name: &(UserId, GroupId)) -> bool {
        let (user, group) = name;
        let Concerned { users, logs, .. } = &self.damage;
        let damaged = [users.get(user).copied(), logs.get(&group.domain).copied()];
        let restored = [self.until(user), self.restored.get(&group.domain).map(|of| of.step)];
        let until = restored.into_iter().chain(damaged);
        let founded = self.founded.get(group);
        let is_old = until.flatten().any(|until| founded.is_some_and(|step| *step <= until));
        is_old && !self.joined.contains(name)
    }

    /// Returns the step up to which what came into the queue of a user may be lost. `None`: nothing is.
    fn until(&self, user: &UserId) -> Option<u64> {
        let restoration = self.restored.get(&user.domain)?;
        Some(restoration.said.get(user).copied().unwrap_or(restoration.step).max(restoration.step))
    }

    /// Returns the step up to which a commit of a group may never reach a user. `None`: all do.
    pub fn commits_lost_until(&self, user: &UserId, group: &GroupId) -> Option<u64> {
        let Concerned { users, logs, .. } = &self.damage;
        let damaged = [users.get(user), logs.get(&group.domain)].into_iter().flatten().copied();
        damaged.chain(self.until(user)).max()
    }

    /// Returns whether an event tells of a message whose position may have been given again, or that others may
    /// have overtaken.
    pub fn is_doubtful(&self, user: &UserId, event: &Event) -> bool {
        let (Event::Message { group, position, text, .. }
        | Event::MessageAcknowledged { group, position, text, .. }) = event
        else {
            return false;
        };
        let name = (user.clone(), group.clone());
        let is_late = || self.is_overtaken(user, group) && self.told.contains(&name);
        self.is_stuck(group) || self.is_lost_order(group, *position, text) || is_late()
    }

    /// Returns whether the message at a position was, or may have been, ordered between copy and restoration.
    fn is_lost_order(&self, group: &GroupId, position: u64, text: &[u8]) -> bool {
        self.restored.get(&group.domain).is_some_and(|restoration| {
            position >= restoration.copy.next.get(group).copied().unwrap_or(0)
                && self.begun.get(text).is_none_or(|begun| *begun <= restoration.step)
        })
    }

    /// Returns whether a message that was acknowledged in the step `step` need not reach a member.
    pub fn excuses(&self, user: &UserId, group: &GroupId, position: u64, text: &[u8], step: u64) -> bool {
        let is_lost = || {
            let (Some(of), Some(until)) = (self.restored.get(&user.domain), self.until(user)) else {
                return false;
            };
            let is_late = step >= of.copy.step || of.behind.contains(user);
            is_late && self.begun.get(text).is_none_or(|begun| *begun <= until)
        };
        self.excepts(user, group)
            || self.is_lost_order(group, position, text)
            || is_lost()
            || self.is_damaged(user, group, text)
    }

    /// Returns whether the store of a homeserver was restored.
    pub fn is_restored(&self, domain: &Domain) -> bool {
        self.restored.contains_key(domain)
    }

    /// Returns a violation for each client that has read what its homeserver has lost, and does not say so.
    pub fn unsaid(&self) -> Vec<Violation> {
        let unsaid = self.restored.values().flat_map(|restoration| {
            let untold = restoration.ahead.iter().filter(|(_, is_told)| !**is_told);
            untold.map(|(user, _)| {
                let what = format!("{user} has read what its restored queue does not have, and is not told");
                let should = format!("{} begins the queue anew, and the client tells its user.", user.domain);
                Violation::since("repaired", what, should, restoration.number)
            })
        });
        unsaid.collect()
    }
}

/// Returns the key of the row with a group's tree, which each commit writes and nothing else does.
fn tree_row(group: &GroupId) -> Option<Key> {
    Key::from_bytes(&[&[RecordKind::GroupSection as u8][..], &encode(&group.uuid), &[TREE]].concat())
}

/// What names the section of the tree among those of a group.
const TREE: u8 = 1;
