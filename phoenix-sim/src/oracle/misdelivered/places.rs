//! Rows are where they belong.

use std::collections::{BTreeMap, BTreeSet};

use phoenix_core::{
    codec::encode,
    identifiers::{Domain, LogId},
    store::{RecordKind, Write},
    wire::fan_out::{FanOutContent, FanOutMessage},
};

use crate::oracle::{rows::LoggedMessage, violation::Violation};

/// What every violation here lacks.
const SHOULD: &str =
    "Contents go to the homeservers of their recipients, and no more of them than those get.";

/// The length of the random names of clients at queuing services, of users, and of groups.
const UUID: usize = 16;

/// Where each pseudonymous client and each group is hosted, as stores have shown.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// The domains of all homeservers, encoded, in the order of the world.
    domains: Vec<Vec<u8>>,
    /// Those that users are registered with.
    hosts: BTreeSet<Vec<u8>>,
    clients: BTreeMap<[u8; UUID], usize>,
    groups: BTreeMap<[u8; UUID], usize>,
}

impl Places {
    pub fn new(domains: &[Domain], hosts: &[usize]) -> Self {
        let domains: Vec<Vec<u8>> = domains.iter().map(encode).collect();
        let hosts = hosts.iter().filter_map(|host| domains.get(*host).cloned()).collect();
        Self { domains, hosts, ..Self::default() }
    }

    /// Notes what a new row says of where a client or a group is hosted.
    pub fn note(&mut self, server: usize, write: &Write) {
        let name = write.key.name();
        let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) else { return };
        match write.key.kind() {
            RecordKind::QsClient => {
                self.clients.insert(*first, server);
            }
            // Named by its hour of expiry, then by the group.
            RecordKind::GroupReservation => {
                self.groups.insert(*last, server);
            }
            _ => {}
        }
    }

    /// Checks that a new row of homeserver `server` is of an account, a queue or a group that it hosts, or of a
    /// stream to a homeserver that hosts someone.
    pub fn check(&self, server: usize, write: &Write) -> Result<(), Violation> {
        let name = write.key.name();
        let hosted = |places: &BTreeMap<[u8; UUID], usize>| {
            name.first_chunk().is_some_and(|uuid| places.get(uuid) == Some(&server))
        };
        let is_right = match write.key.kind() {
            RecordKind::KeyPackagePool
            | RecordKind::KeyPackage
            | RecordKind::FanOutQueue
            | RecordKind::FanOutQueueEntry => hosted(&self.clients),
            RecordKind::GroupHead | RecordKind::GroupSection => hosted(&self.groups),
            RecordKind::User
            | RecordKind::Client
            | RecordKind::ConnectionPackagePool
            | RecordKind::ConnectionPackage
            | RecordKind::DirectQueue
            | RecordKind::DirectQueueEntry => {
                let domain = self.domains.get(server);
                domain.is_some_and(|domain| name.get(UUID..).is_some_and(|rest| rest.starts_with(domain)))
            }
            RecordKind::OutboundEntry => self.hosts.iter().any(|host| name.starts_with(host)),
            _ => true,
        };
        if is_right {
            return Ok(());
        }
        let what = format!("homeserver {server} stores {:?}, which it has no part in", write.key);
        Err(Violation::now("misdelivered", what, SHOULD))
    }

    /// Checks a message that homeserver `server` takes into a log.
    pub fn message(&self, server: usize, logged: &LoggedMessage) -> Result<(), Violation> {
        let LoggedMessage { log, message } = logged;
        let FanOutMessage { group_id, position, contents, recipients, .. } = message;
        let violation = |what: &str| {
            let what = format!("homeserver {server} got position {position} of {group_id}, {what}");
            Err(Violation::now("misdelivered", what, SHOULD))
        };
        let own = |domain: &Domain| self.domains.get(server).is_some_and(|own| encode(domain) == *own);
        let LogId::Stream { source, .. } = log else {
            let is_own = own(&group_id.domain) && matches!(log, LogId::Group(uuid) if *uuid == group_id.uuid);
            return if is_own { Ok(()) } else { violation("which is in the log of another group") };
        };
        if *source != group_id.domain {
            return violation("from a homeserver that is not the group's");
        }
        if let Some(other) = recipients.iter().find(|recipient| !own(&recipient.config.domain)) {
            return violation(&format!("with a recipient at {}", other.config.domain));
        }
        let is_used = |index: usize| recipients.iter().any(|of| usize::from(of.content) == index);
        let unused = (0..contents.len()).find(|index| !is_used(*index));
        match unused.map(|index| &contents[index]) {
            Some(FanOutContent::Welcome(_)) => violation("with a Welcome for no one there"),
            Some(_) => violation("with a content for no one there"),
            None if recipients.is_empty() => violation("of which no one there is a recipient"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use phoenix_core::{
        identifiers::{ClientId, ClientUuid, GroupId, GroupUuid, RequestId, StreamId, UserId, UserUuid},
        store::{Key, Write},
        time::Timestamp,
        wire::fan_out::Receipt,
    };

    use super::*;

    fn domains() -> [Domain; 2] {
        ["one.example", "two.example"].map(|name| name.parse().unwrap_or_else(|_| panic!("a valid domain")))
    }

    fn row(kind: RecordKind, name: &[u8]) -> Write {
        let key = Key::from_bytes(&[&[kind as u8], name].concat()).unwrap_or_else(|| panic!("a known kind"));
        Write { key, bytes: Some(vec![1]) }
    }

    #[test]
    fn rows_of_queues_and_groups_belong_where_these_are_made() {
        let mut places = Places::new(&domains(), &[0]);
        let (client, group) = ([1; UUID], [2; UUID]);
        places.note(0, &row(RecordKind::QsClient, &client));
        places.note(1, &row(RecordKind::GroupReservation, &[[0; 4].as_slice(), &group].concat()));
        let entry = row(RecordKind::FanOutQueueEntry, &[&client[..], &[0; 8]].concat());
        assert!(places.check(0, &entry).is_ok() && places.check(1, &entry).is_err());
        let head = row(RecordKind::GroupHead, &group);
        assert!(places.check(1, &head).is_ok() && places.check(0, &head).is_err());
    }

    #[test]
    fn rows_of_accounts_belong_where_their_name_says() {
        let places = Places::new(&domains(), &[0]);
        let [one, _] = domains();
        let user_id = UserId { uuid: UserUuid([3; 16]), domain: one };
        let client = ClientId { user_id, uuid: ClientUuid([4; 16]) };
        let entry = row(RecordKind::DirectQueueEntry, &encode(&client));
        assert!(places.check(0, &entry).is_ok() && places.check(1, &entry).is_err());
    }

    #[test]
    fn streams_lead_to_where_users_are() {
        let places = Places::new(&domains(), &[0]);
        let [one, two] = domains();
        let entry = |to: &Domain| row(RecordKind::OutboundEntry, &[encode(to), vec![0; 9]].concat());
        assert!(places.check(1, &entry(&one)).is_ok());
        assert!(places.check(0, &entry(&two)).is_err());
    }

    #[test]
    fn messages_name_recipients_where_they_are_taken_in() {
        let places = Places::new(&domains(), &[0, 1]);
        let [one, _] = domains();
        let group_id = GroupId { uuid: GroupUuid([5; 16]), domain: one.clone() };
        let receipt = FanOutContent::Receipt(Receipt { request_id: RequestId([6; 16]), epoch: 1 });
        let message = |contents: Vec<FanOutContent>| LoggedMessage {
            log: LogId::Stream { source: one.clone(), stream_id: StreamId([7; 16]) },
            message: FanOutMessage {
                group_id: group_id.clone(),
                position: 0,
                sent_at: Timestamp::from_milliseconds(0),
                contents: contents.try_into().unwrap_or_default(),
                recipients: Vec::new().try_into().unwrap_or_default(),
            },
        };
        assert!(places.message(1, &message(Vec::new())).is_err(), "no recipient");
        assert!(places.message(1, &message(vec![receipt])).is_err(), "a content for no one");
        let elsewhere = LoggedMessage { log: LogId::Group(GroupUuid([8; 16])), ..message(Vec::new()) };
        assert!(places.message(0, &elsewhere).is_err(), "the log of another group");
        let own = LoggedMessage { log: LogId::Group(group_id.uuid), ..message(Vec::new()) };
        assert!(places.message(0, &own).is_ok() && places.message(1, &own).is_err());
    }
}
