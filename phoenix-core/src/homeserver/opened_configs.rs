//! Opened queue configurations, kept in memory: a cache that changes no result.

use std::collections::{BTreeMap, VecDeque};

use crate::{
    crypto::{kdf::Hash, sign::VerifyingKey},
    wire::fan_out::QueueConfig,
};

/// A cache of opened configurations: bounded, the oldest go first, and those that a client signed never make room
/// for those that nobody is known to have.
#[derive(Default)]
pub(crate) struct OpenedConfigs {
    pub verified: Cache,
    pub unverified: Cache,
}

#[derive(Default)]
pub(crate) struct Cache {
    opened: BTreeMap<Hash, Opened>,
    order: VecDeque<Hash>,
}

#[derive(Clone)]
pub(crate) struct Opened {
    pub config: QueueConfig,
    /// The key that the signature was verified with.
    pub verified: Option<VerifyingKey>,
}

/// Some 200 bytes each.
pub(crate) const MAX_VERIFIED: usize = 65_536;

/// Those of a few commits of the distributor: each is opened once, and verified in the same operation or never.
pub(crate) const MAX_UNVERIFIED: usize = 1024;

impl OpenedConfigs {
    pub fn get(&self, name: &Hash) -> Option<Opened> {
        self.verified.opened.get(name).or_else(|| self.unverified.opened.get(name)).cloned()
    }
}

impl Cache {
    pub fn insert(&mut self, name: Hash, opened: Opened, limit: usize) {
        if self.opened.insert(name, opened).is_none() {
            self.order.push_back(name);
        }
        if self.order.len() > limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.opened.remove(&oldest);
        }
    }
}
