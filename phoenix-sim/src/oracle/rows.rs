//! Opens rows of stores with the homeservers' own keys, for oracles that must see what is hidden from
//! clients.

use std::collections::BTreeMap;

use phoenix_core::{
    codec::{decode, encode},
    config::Config,
    crypto::{aead::EarCiphertext, labels::Label},
    identifiers::{Domain, LogId, QsClientId},
    keys::ServiceKeys,
    store::{Key, Protection, Write},
    wire::fan_out::{ClientQueueConfig, FanOutMessage, QueueConfig},
};

use crate::oracle::layout;

/// The keys of all homeservers.
#[derive(Default)]
pub struct Rows {
    homeservers: Vec<Homeserver>,
    /// The domain of the dishonest homeserver, if there is one.
    dishonest: Option<Domain>,
    /// The owners of encoded configurations that were opened before.
    clients: BTreeMap<Vec<u8>, QsClientId>,
}

/// A homeserver whose rows can be opened.
pub struct Homeserver {
    /// Its domain.
    pub domain: Domain,
    /// Its keys.
    pub keys: ServiceKeys,
    /// Its settings.
    pub config: Config,
}

/// A message in a log: that of its group, or of a stream from another homeserver.
pub struct LoggedMessage {
    /// The log.
    pub log: LogId,
    /// The message.
    pub message: FanOutMessage,
}

impl Rows {
    /// Creates the opener of rows of `homeservers`, which are in the order of the world; `dishonest` is the
    /// domain of the one that is not honest, if there is one.
    pub fn new(homeservers: Vec<Homeserver>, dishonest: Option<Domain>) -> Self {
        Self { homeservers, dishonest, clients: BTreeMap::new() }
    }

    /// Returns the domain of homeserver `server`.
    pub fn domain(&self, server: usize) -> Option<&Domain> {
        self.homeservers.get(server).map(|homeserver| &homeserver.domain)
    }

    /// Returns whether `domain` is that of the dishonest homeserver.
    pub fn is_dishonest(&self, domain: &Domain) -> bool {
        self.dishonest.as_ref() == Some(domain)
    }

    /// Returns the settings of homeserver `server`.
    pub fn config(&self, server: usize) -> Option<&Config> {
        self.homeservers.get(server).map(|homeserver| &homeserver.config)
    }

    /// Returns the message that homeserver `server` writes to a log. `None` if the row cannot be opened.
    pub fn logged_message(&self, server: usize, write: &Write) -> Option<LoggedMessage> {
        let name = write.key.name();
        let log = decode(&name[..name.len().checked_sub(8)?]).ok()?;
        let row = self.open(server, &write.key, write.bytes.as_ref()?)?;
        Some(LoggedMessage { log, message: decode(&row).ok()? })
    }

    /// Returns the encoded record that a row of homeserver `server` holds. `None` if the row cannot be
    /// opened.
    pub fn open(&self, server: usize, key: &Key, bytes: &[u8]) -> Option<Vec<u8>> {
        // One byte for the format, then the record: encrypted under the service key, for some kinds.
        let content = bytes.get(1..)?;
        if key.kind().declaration().protection != Protection::ServiceKey {
            return Some(content.to_vec());
        }
        let sealed: EarCiphertext = decode(content).ok()?;
        let opened = self.homeservers.get(server)?.keys.service_key.open(&key.to_bytes(), &sealed);
        opened.ok().map(|record| record.to_vec())
    }

    /// Returns the client whose queue a configuration leads to. `None` if the configuration cannot be opened.
    pub fn client(&mut self, config: &ClientQueueConfig) -> Option<QsClientId> {
        let name = encode(config);
        if let Some(client) = self.clients.get(&name) {
            return Some(*client);
        }
        let homeserver = self.homeservers.iter().find(|homeserver| homeserver.domain == config.domain)?;
        let key = homeserver.keys.config_key(&config.key_id)?;
        let plain = key.open(Label::SEAL_QUEUE_CONFIG, &encode(&config.domain), &config.sealed).ok()?;
        let client = decode::<QueueConfig>(&plain).ok()?.content.client;
        self.clients.insert(name, client);
        Some(client)
    }
}

/// Returns the client and the sequence number that name the row of a queue entry.
pub fn entry_name(name: &[u8]) -> Option<(QsClientId, u64)> {
    let (client, sequence) = name.split_at_checked(16)?;
    Some((QsClientId(client.try_into().ok()?), u64::from_be_bytes(sequence.try_into().ok()?)))
}

/// Returns whether an entry of a queue carries a delivery, and not a key of the queue or randomness for it.
pub fn is_delivery(write: &Write) -> bool {
    write.bytes.as_deref().is_some_and(layout::is_message)
}
