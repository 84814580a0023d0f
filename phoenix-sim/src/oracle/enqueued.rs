//! R1 — every delivery enters its recipient's queue exactly once, wherever the recipient's homeserver is.
//!
//! Clients drop what comes again, so duplicates in a queue cannot be seen from outside. This oracle reads the
//! stores, with the homeservers' own keys.

use std::collections::BTreeMap;

use phoenix_core::{
    crypto::{aead::EarCiphertext, labels::Label},
    fan_out::LogId,
    identifiers::{Domain, QsClientId},
    keys::ServiceKeys,
    store::{Commit, RecordKind, Write},
    wire::{
        codec::{decode, encode},
        fan_out::{ClientQueueConfig, FanOutMessage, QueueConfig},
    },
};

use super::violation::Violation;
use crate::disk::Disk;

/// How many entries were due in each queue, and how many were made.
#[derive(Default)]
pub struct Enqueued {
    homeservers: Vec<Homeserver>,
    dishonest: Option<Domain>,
    /// The owners of encoded configurations that were opened before.
    clients: BTreeMap<Vec<u8>, QsClientId>,
    queues: BTreeMap<QsClientId, Counts>,
}

/// A homeserver whose store can be read.
pub struct Homeserver {
    /// Its domain.
    pub domain: Domain,
    /// Its keys.
    pub keys: ServiceKeys,
}

#[derive(Debug, Default)]
struct Counts {
    /// Deliveries that delivery services wrote into the logs of their groups.
    due: u64,
    /// Deliveries that were accepted from the dishonest homeserver: each may leave one marker.
    markers: u64,
    /// Entries of the queue.
    made: u64,
}

impl Enqueued {
    /// Sets the homeservers whose stores are read, in the order of the world, the dishonest one last.
    pub fn watch(&mut self, homeservers: Vec<Homeserver>) {
        self.dishonest = homeservers.last().map(|last| last.domain.clone());
        self.homeservers = homeservers;
    }

    /// Counts deliveries and entries of a commit whose expectations hold, before the store of homeserver
    /// `server` applies it.
    ///
    /// # Errors
    /// A queue has more entries than there were deliveries for it.
    pub fn commits(&mut self, server: usize, disk: &Disk, commit: &Commit) -> Result<(), Violation> {
        let is_new = |write: &&Write| write.bytes.is_some() && disk.row(&write.key).is_none();
        for write in commit.writes.iter().filter(is_new) {
            match write.key.kind() {
                RecordKind::FanOutRow => self.count_recipients(server, write),
                RecordKind::FanOutQueueEntry => self.count_entry(write)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Returns a violation for each queue with fewer entries than deliveries.
    pub fn missing(&self) -> Vec<Violation> {
        let missing = self.queues.iter().filter(|(_, counts)| counts.made < counts.due);
        let texts =
            missing.map(|(client, counts)| format!("the queue of {client:?} lacks entries: {counts:?}"));
        texts.map(|what| Violation::now("enqueued", what)).collect()
    }

    /// Counts the recipients of a message where its group orders it, not in the streams that carry it on.
    fn count_recipients(&mut self, server: usize, write: &Write) {
        let Some((log, message)) = self.fan_out_row(server, write) else { return };
        for recipient in &message.recipients {
            let Some(client) = self.client(&recipient.config) else { continue };
            let counts = self.queues.entry(client).or_default();
            match &log {
                LogId::Group(_) => counts.due += 1,
                LogId::Stream { source, .. } if Some(source) == self.dishonest.as_ref() => {
                    counts.markers += 1
                }
                LogId::Stream { .. } => {}
            }
        }
    }

    fn count_entry(&mut self, write: &Write) -> Result<(), Violation> {
        let Some((client, sequence)) = entry_name(write.key.name()) else { return Ok(()) };
        // Entry 0 carries the key of the queue and no delivery.
        if sequence == 0 {
            return Ok(());
        }
        let counts = self.queues.entry(client).or_default();
        counts.made += 1;
        if counts.made <= counts.due + counts.markers {
            return Ok(());
        }
        let what = format!("the queue of {client:?} has an entry twice: {counts:?}");
        Err(Violation::now("enqueued", what))
    }

    fn fan_out_row(&self, server: usize, write: &Write) -> Option<(LogId, FanOutMessage)> {
        let name = write.key.name();
        let log = decode(&name[..name.len().checked_sub(8)?]).ok()?;
        let keys = &self.homeservers.get(server)?.keys;
        // The row is one byte for its format, then the message encrypted under the service key.
        let sealed: EarCiphertext = decode(write.bytes.as_ref()?.get(1..)?).ok()?;
        let row = keys.service_key.open(&write.key.to_bytes(), &sealed).ok()?;
        Some((log, decode(&row).ok()?))
    }

    /// Returns the client whose queue a configuration leads to.
    fn client(&mut self, config: &ClientQueueConfig) -> Option<QsClientId> {
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
fn entry_name(name: &[u8]) -> Option<(QsClientId, u64)> {
    let (client, sequence) = name.split_at_checked(16)?;
    Some((QsClientId(client.try_into().ok()?), u64::from_be_bytes(sequence.try_into().ok()?)))
}
