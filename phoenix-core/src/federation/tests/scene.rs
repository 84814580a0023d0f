//! Homeservers, groups and messages that tests of the way between them are about.

use crate::{
    codec::encode,
    collections::log::{self},
    config::Config,
    homeserver::Homeserver,
    identifiers::{Domain, GroupId, GroupUuid, LogId},
    keys::ServiceKeys,
    rng::Random,
    testing::driver::{Server, World},
    time::Timestamp,
    wire::fan_out::{ClientQueueConfig, FanOutContent, FanOutMessage, Recipient},
};

/// When tests begin.
pub const NOW: Timestamp = Timestamp::from_milliseconds(1_800_000_000_000);

/// The domain with this name.
pub fn domain(name: &str) -> Domain {
    name.parse().unwrap()
}

/// A group of `owner`.
pub fn group(owner: &str, number: u8) -> GroupId {
    GroupId { uuid: GroupUuid([number; 16]), domain: domain(owner) }
}

/// An encrypted application message of `group`, as far as a server can see.
pub fn mls_message(group: &GroupId) -> FanOutContent {
    fn vector(bytes: &[u8]) -> Vec<u8> {
        encode(&crate::codec::Bytes::<1000>::new(bytes.to_vec()).unwrap())
    }
    let head = [&[0, 1, 0, 2][..], &vector(&encode(group)), &[0; 8], &[1]].concat();
    let bytes = [head, vector(&[]), vector(&[7; 32]), vector(&[8; 100])].concat();
    FanOutContent::Message(bytes.try_into().unwrap())
}

/// `content` for these recipients.
pub fn message(
    group: &GroupId,
    position: u64,
    content: FanOutContent,
    recipients: &[ClientQueueConfig],
) -> FanOutMessage {
    let recipients = recipients.iter().map(|config| Recipient { content: 0, config: config.clone() });
    FanOutMessage {
        group_id: group.clone(),
        position,
        sent_at: NOW,
        contents: vec![content].try_into().unwrap(),
        recipients: recipients.collect::<Vec<_>>().try_into().unwrap(),
    }
}

impl World {
    /// Homeservers of these names.
    pub fn of(names: &[&str]) -> Self {
        let mut world = Self::new(NOW);
        for name in names {
            world.install(name, |_, _| ());
        }
        world
    }

    /// Sets `name` up, again if it is there: the same keys and rows, with what `change` makes of the settings.
    pub fn install(&mut self, name: &str, change: impl FnOnce(&mut Config, &mut ServiceKeys)) {
        let mut keys = keys(name);
        let mut config = Config::new(domain(name));
        change(&mut config, &mut keys);
        self.add(Homeserver::new(config, keys));
    }

    /// The homeserver of this name.
    pub fn server(&mut self, name: &str) -> &mut Server {
        self.servers.get_mut(&domain(name)).unwrap()
    }

    /// Appends `message` to the log of its group, as the delivery service does.
    pub fn send(&mut self, message: FanOutMessage) {
        let owner = message.group_id.domain.clone();
        self.perform(&owner, move |transaction| {
            let log = LogId::Group(message.group_id.uuid);
            log::append(transaction, log, message.position, message.clone());
            Ok(())
        });
    }
}

/// The keys of the homeserver with this name: always the same ones.
pub fn keys(name: &str) -> ServiceKeys {
    let mut seed = [0; 32];
    seed[..name.len()].copy_from_slice(name.as_bytes());
    ServiceKeys::generate(&domain(name), &mut Random::from_seed(seed), NOW)
}
