//! protocol.md §7 — sealed queue configurations: what a client authorises, for whom and until when.

use std::collections::{BTreeMap, VecDeque};

use crate::{
    context::Context,
    credentials::PublishedHpkeKey,
    crypto::{
        hpke::HpkePublicKey,
        kdf::{self, Hash},
        labels::Label,
        sign::{SigningKey, VerifyingKey},
    },
    error::Refusal,
    identifiers::{Domain, GroupId},
    rng::Random,
    wire::{
        codec::{decode, encode},
        fan_out::{ClientQueueConfig, QueueConfig, QueueConfigContent},
    },
};

impl ClientQueueConfig {
    /// Signs `content` with the client's configuration key and seals it to its queuing service. Sealed afresh
    /// for each use, no two look alike.
    ///
    /// # Errors
    /// A refusal if nothing can be sealed to the queuing service's key.
    pub fn seal(
        random: &mut Random,
        domain: Domain,
        to: &PublishedHpkeKey,
        content: QueueConfigContent,
        key: &SigningKey,
    ) -> Result<Self, Refusal> {
        let signature = key.sign(&content);
        let config = encode(&QueueConfig { content, signature });
        let sealed =
            HpkePublicKey(to.key).seal(random, Label::SEAL_QUEUE_CONFIG, &encode(&domain), &config)?;
        Ok(Self { domain, key_id: to.id, sealed })
    }
}

impl QueueConfigContent {
    /// How the client's record names a group: nothing can be learnt from it without the key in here.
    pub fn list_entry(&self, ds_domain: &Domain, group_id: &GroupId) -> Hash {
        let key = self.list_key.as_bytes();
        *kdf::derive(key, Label::GROUP_LIST, &encode(&(ds_domain.clone(), group_id.clone())))
    }
}

/// Opens a configuration. `None` if it was not sealed to this homeserver: then nobody can be named.
///
/// Opening is a public-key operation, so what comes of it is kept in memory. That changes no result: it is
/// kept by the hash of the sealed bytes, and the client's record is read afresh each time.
pub(super) fn open(context: &Context, config: &ClientQueueConfig) -> Option<QueueConfig> {
    let name = kdf::hash(Label::SEALED_CONFIGURATION, &[&encode(config)]);
    let homeserver = context.homeserver();
    if let Some(opened) = homeserver.with_opened_configs(|cache| cache.get(&name)) {
        return Some(opened.config);
    }
    let key = context.keys().config_key(&config.key_id)?;
    let plain = key.open(Label::SEAL_QUEUE_CONFIG, &encode(&config.domain), &config.sealed).ok()?;
    let opened: QueueConfig = decode(&plain).ok()?;
    let entry = Opened { config: opened.clone(), verified: None };
    homeserver.with_opened_configs(|cache| cache.insert(name, entry));
    Some(opened)
}

/// Whether the configuration's signature was made with `key`.
pub(super) fn verify(
    context: &Context,
    sealed: &ClientQueueConfig,
    config: &QueueConfig,
    key: &VerifyingKey,
) -> bool {
    let name = kdf::hash(Label::SEALED_CONFIGURATION, &[&encode(sealed)]);
    let homeserver = context.homeserver();
    let verified =
        homeserver.with_opened_configs(|cache| cache.get(&name)).and_then(|opened| opened.verified);
    if verified == Some(*key) {
        return true;
    }
    if key.verify(&config.content, &config.signature).is_err() {
        return false;
    }
    let entry = Opened { config: config.clone(), verified: Some(*key) };
    homeserver.with_opened_configs(|cache| cache.insert(name, entry));
    true
}

/// A cache of opened configurations: bounded, the oldest goes first.
#[derive(Default)]
pub struct OpenedConfigs {
    opened: BTreeMap<Hash, Opened>,
    order: VecDeque<Hash>,
}

#[derive(Clone)]
struct Opened {
    config: QueueConfig,
    /// The key that the signature was verified with.
    verified: Option<VerifyingKey>,
}

/// Some 200 bytes each.
const MAX_OPENED: usize = 65_536;

impl OpenedConfigs {
    fn get(&self, name: &Hash) -> Option<Opened> {
        self.opened.get(name).cloned()
    }

    fn insert(&mut self, name: Hash, opened: Opened) {
        if self.opened.insert(name, opened).is_none() {
            self.order.push_back(name);
        }
        if self.order.len() > MAX_OPENED
            && let Some(oldest) = self.order.pop_front()
        {
            self.opened.remove(&oldest);
        }
    }
}
