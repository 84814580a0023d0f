//! PROTOCOL.md §7, Queue configurations — opened queue configurations, kept in memory: a cache that changes
//! no result.

use std::collections::{BTreeMap, VecDeque};

use crate::{
    crypto::{kdf::Hash, sign::VerifyingKey},
    wire::fan_out::QueueConfig,
};

/// Queue configurations that were opened, by the hash of their sealed form. Those whose signature is verified
/// are kept apart, so that strangers, who can make any number of others, push none of them out.
#[derive(Default)]
pub(crate) struct OpenedConfigs {
    pub verified: Cache,
    pub unverified: Cache,
}

/// A bounded cache: the oldest configurations go first.
#[derive(Default)]
pub(crate) struct Cache {
    opened: BTreeMap<Hash, Opened>,
    order: VecDeque<Hash>,
}

/// A queue configuration that was opened.
#[derive(Clone)]
pub(crate) struct Opened {
    pub config: QueueConfig,
    /// The key that its signature is verified with; `None` if it is not verified.
    pub verified: Option<VerifyingKey>,
}

/// The most verified configurations, of some 200 bytes each.
pub(crate) const MAX_VERIFIED: usize = 65_536;

/// The most configurations that are not verified: those of a few commits of the distributor. Each is opened
/// once, and verified in the same operation or never.
pub(crate) const MAX_UNVERIFIED: usize = 1024;

impl OpenedConfigs {
    /// Returns the configuration with this hash, if it is kept.
    pub fn get(&self, name: &Hash) -> Option<Opened> {
        self.verified.opened.get(name).or_else(|| self.unverified.opened.get(name)).cloned()
    }
}

impl Cache {
    /// Keeps a configuration. The oldest goes if there are more than `limit`.
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
