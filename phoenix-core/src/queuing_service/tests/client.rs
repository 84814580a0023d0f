//! A client of a queuing service, with its record, its configurations, and its queue as it reads it.

use std::time::Duration;

use crate::{
    codec::{List, decode, encode},
    crypto::{aead::EarKey, hpke::HpkePrivateKey, ratchet::QueueReader, sign::SigningKey},
    identifiers::{Domain, GroupId, QsClientId, QsUserId, RequestId},
    queuing_service::{fan_out_queue, records::QsClient},
    rng::Random,
    testing::world::{NOW, World, domain, keys},
    time::{DAY, Timestamp},
    wire::{
        envelope::{RequestEnvelope, ResponseEnvelope, Sender, Signer},
        fan_out::{Binding, ClientQueueConfig, Gap, GapReason, Notify, QueueConfigContent, QueueMessage},
        queues::{DequeueRange, fan_out_queue_name},
        queuing_service::Dequeue,
    },
};

pub struct TestClient {
    pub domain: Domain,
    pub id: QsClientId,
    pub key: SigningKey,
    pub config_key: SigningKey,
    pub list_key: EarKey,
    reader: QueueReader,
    random: Random,
    /// Everything read so far.
    pub read: Vec<QueueMessage>,
}

impl TestClient {
    /// Sets up a client at `home` with an empty queue.
    pub fn new(world: &mut World, home: &str, number: u8) -> Self {
        let mut random = Random::from_seed([number; 32]);
        let owner = HpkePrivateKey::generate(&mut random);
        let id = QsClientId([number; 16]);
        let (key, config_key) = (SigningKey::generate(&mut random), SigningKey::generate(&mut random));
        let (public, verifying, config_verifying) =
            (owner.public_key(), key.verifying_key(), config_key.verifying_key());
        world.perform(&domain(home), move |transaction| {
            fan_out_queue::create(transaction, id, public)?;
            let record = QsClient {
                user: QsUserId([number; 16]),
                key: verifying,
                config_key: config_verifying,
                pinned: List::default(),
                blocked: List::default(),
                active: transaction.now().month(),
            };
            transaction.put(&id, &record);
            Ok(())
        });
        let list_key = EarKey::random(&mut random);
        let reader = QueueReader::new(owner);
        Self { domain: domain(home), id, key, config_key, list_key, reader, random, read: Vec::new() }
    }

    pub fn content(&self, binding: Binding, not_after: Timestamp) -> QueueConfigContent {
        QueueConfigContent {
            client: self.id,
            push_token_key: None,
            list_key: self.list_key.clone(),
            notify: Notify::Always,
            binding,
            not_after,
        }
    }

    /// Seals a configuration, signed with `key`.
    pub fn seal(&mut self, content: QueueConfigContent, key: &SigningKey) -> ClientQueueConfig {
        let to = keys(self.domain.as_str()).config_keys().next().unwrap();
        ClientQueueConfig::seal(&mut self.random, self.domain.clone(), &to, content, key).unwrap()
    }

    /// Makes a configuration for the messages of `group`.
    pub fn bound(&mut self, group: &GroupId) -> ClientQueueConfig {
        let binding = Binding::Bound { ds_domain: group.domain.clone(), group_id: group.clone() };
        let (content, key) = (self.content(binding, NOW + 365 * DAY), self.config_key.clone());
        self.seal(content, &key)
    }

    /// Makes a configuration as in a key package.
    pub fn unbound(&mut self) -> ClientQueueConfig {
        let (content, key) = (self.content(Binding::Unbound, NOW + 365 * DAY), self.config_key.clone());
        self.seal(content, &key)
    }

    /// Has the queuing service refuse deliveries for `group`.
    pub fn block(&self, world: &mut World, group: &GroupId) {
        let entry = self.content(Binding::Unbound, NOW).list_entry(&group.domain, group);
        let id = self.id;
        world.perform(&self.domain, move |transaction| {
            let mut record: QsClient = transaction.get(&id)?.unwrap();
            record.blocked.push(entry).unwrap();
            transaction.put(&id, &record);
            Ok(())
        });
    }

    /// Reads the queue once. Returns what is new in it.
    pub fn dequeue(&mut self, world: &mut World) -> Vec<QueueMessage> {
        let first = self.reader.next_sequence();
        let body = Dequeue { range: DequeueRange { first, maximum: 500, generation: 0, last: None } };
        let sender = Sender::QsClient(self.id);
        let signer = Signer { sender: &sender, key: &self.key };
        let request = RequestEnvelope::to(self.domain.clone(), world.now, RequestId([1; 16]), &body)
            .signed(signer)
            .unwrap();
        let (chaos, crash_at) = (std::mem::take(&mut world.faults.chaos), world.faults.crash_at.take());
        let answer = world.request(&self.domain, &encode(&request)).reply.unwrap();
        (world.faults.chaos, world.faults.crash_at) = (chaos, crash_at);
        let reply = ResponseEnvelope::read::<crate::wire::queues::DequeueReply>(&answer).unwrap().unwrap();
        let mut new = Vec::new();
        for entry in &reply.entries {
            if let Some(message) = self.reader.open(&fan_out_queue_name(&self.id), entry).unwrap() {
                new.push(decode::<QueueMessage>(&message).unwrap());
            }
        }
        self.read.extend(new.iter().cloned());
        new
    }

    /// Reads everything. Returns the positions of what was delivered for `group`, in order.
    pub fn positions(&mut self, world: &mut World, group: &GroupId) -> Vec<u64> {
        while !self.dequeue(world).is_empty() {}
        let of = |message: &QueueMessage| match message {
            QueueMessage::Delivery(delivery) if delivery.group_id == *group => Some(delivery.position),
            _ => None,
        };
        self.read.iter().filter_map(of).collect()
    }

    /// Returns the markers read so far.
    pub fn gaps(&self) -> Vec<&Gap> {
        let of = |message: &QueueMessage| matches!(message, QueueMessage::Gap(_));
        let gaps = self.read.iter().filter(|message| of(message));
        gaps.map(|message| if let QueueMessage::Gap(gap) = message { gap } else { unreachable!() }).collect()
    }

    /// Returns the reasons of the markers read so far.
    pub fn reasons(&self) -> Vec<GapReason> {
        self.gaps().iter().map(|gap| gap.reason).collect()
    }
}

/// Longer than a peer's absence of a few minutes delays anything.
pub const LONG: Duration = Duration::from_secs(3 * 60 * 60);
