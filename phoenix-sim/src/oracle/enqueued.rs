//! R1 — every delivery enters its recipient's queue exactly once, wherever the recipient's homeserver is. Clients
//! drop what comes again, so this is not seen from outside: the oracle reads the stores, with the homeservers'
//! own keys.

use std::collections::BTreeMap;

use phoenix_core::{
    codec::{decode, encode},
    crypto::{aead::EarCiphertext, labels::Label},
    identifiers::{Domain, LogId, QsClientId},
    keys::ServiceKeys,
    store::{Commit, RecordKind, Write},
    wire::fan_out::{ClientQueueConfig, FanOutMessage, QueueConfig},
};

use super::Violation;
use crate::disk::Disk;

/// What was to enter each queue, and what did.
#[derive(Default)]
pub struct Enqueued {
    homeservers: Vec<(Domain, ServiceKeys)>,
    /// The last homeserver is the dishonest one.
    dishonest: Option<Domain>,
    clients: BTreeMap<Vec<u8>, QsClientId>,
    queues: BTreeMap<QsClientId, Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    /// Deliveries of groups, as their delivery services wrote them.
    wanted: u64,
    /// What the dishonest homeserver had accepted: each may leave one marker.
    markers: u64,
    /// Entries made.
    made: u64,
}

impl Enqueued {
    /// Gets to know the homeservers, the dishonest one last.
    pub fn watch(&mut self, homeservers: Vec<(Domain, ServiceKeys)>) {
        self.dishonest = homeservers.last().map(|(domain, _)| domain.clone());
        self.homeservers = homeservers;
    }

    /// A store is about to apply a commit whose expectations hold.
    ///
    /// # Errors
    /// An entry more in a queue than there were deliveries for it.
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

    /// Queues that something has not entered.
    pub fn missing(&self) -> Vec<Violation> {
        let missing = self.queues.iter().filter(|(_, counts)| counts.made < counts.wanted);
        let what = |(client, counts)| format!("{client:?} has {counts:?}");
        missing.map(|missing| Violation::now("enqueued", what(missing))).collect()
    }

    /// A message is to go to some queues: counted where it is ordered, not where it passes through.
    fn count_recipients(&mut self, server: usize, write: &Write) {
        let Some((log, message)) = self.fan_out_row(server, write) else { return };
        for recipient in &message.recipients {
            let Some(client) = self.client(&recipient.config) else { continue };
            let counts = self.queues.entry(client).or_default();
            match &log {
                LogId::Group(_) => counts.wanted += 1,
                LogId::Stream { source, .. } if Some(source) == self.dishonest.as_ref() => {
                    counts.markers += 1
                }
                LogId::Stream { .. } => {}
            }
        }
    }

    fn count_entry(&mut self, write: &Write) -> Result<(), Violation> {
        let Some((client, sequence)) = entry_name(write.key.name()) else { return Ok(()) };
        // The first entry is the queue's key.
        if sequence == 0 {
            return Ok(());
        }
        let counts = self.queues.entry(client).or_default();
        counts.made += 1;
        if counts.made <= counts.wanted + counts.markers {
            return Ok(());
        }
        let what = format!("something entered the queue of {client:?} again: {counts:?}");
        Err(Violation::now("enqueued", what))
    }

    fn fan_out_row(&self, server: usize, write: &Write) -> Option<(LogId, FanOutMessage)> {
        let name = write.key.name();
        let log = decode(&name[..name.len().checked_sub(8)?]).ok()?;
        let (_, keys) = self.homeservers.get(server)?;
        // One byte of format, then the row under the service key.
        let sealed: EarCiphertext = decode(write.bytes.as_ref()?.get(1..)?).ok()?;
        let row = keys.service_key.open(&write.key.to_bytes(), &sealed).ok()?;
        Some((log, decode(&row).ok()?))
    }

    /// Whose queue a configuration leads to.
    fn client(&mut self, config: &ClientQueueConfig) -> Option<QsClientId> {
        let name = encode(config);
        if let Some(client) = self.clients.get(&name) {
            return Some(*client);
        }
        let (_, keys) = self.homeservers.iter().find(|(domain, _)| *domain == config.domain)?;
        let key = keys.config_key(&config.key_id)?;
        let plain = key.open(Label::SEAL_QUEUE_CONFIG, &encode(&config.domain), &config.sealed).ok()?;
        let client = decode::<QueueConfig>(&plain).ok()?.content.client;
        self.clients.insert(name, client);
        Some(client)
    }
}

/// The queue and the place in it that an entry's row is named by.
fn entry_name(name: &[u8]) -> Option<(QsClientId, u64)> {
    let (client, sequence) = name.split_at_checked(16)?;
    Some((QsClientId(client.try_into().ok()?), u64::from_be_bytes(sequence.try_into().ok()?)))
}
