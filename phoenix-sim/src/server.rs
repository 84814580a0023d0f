//! A homeserver of a world: what its processes share and what outlives them.

use std::collections::BTreeMap;

use phoenix_core::{
    config::Config,
    homeserver::Homeserver,
    identifiers::{Domain, NodeId},
    keys::ServiceKeys,
    rng::Random,
    store::MemoryStore,
    time::Timestamp,
};

use crate::{clock::Skew, disk::Disk, journal::Journal, plan::ServerPlan};

/// One homeserver: settings, keys, clock and store of all its processes.
pub struct Server {
    /// The domain that it owns.
    pub domain: Domain,
    /// Its settings, except for the node's name, which [`Server::homeserver`] sets for each process.
    pub config: Config,
    /// Its store.
    pub disk: Disk,
    /// What the store has applied and may lose if the power fails.
    pub journal: Journal,
    /// Copies of its store, by the number of the fault for which they were made.
    pub copies: BTreeMap<usize, MemoryStore>,
    /// When its power is to fail, if a fault says that it is.
    pub doom: Option<Doom>,
    /// The error of its clock.
    pub skew: Skew,
    /// The machines that its processes run on, by their index in the world.
    pub machines: Vec<usize>,
    key_seed: [u8; 32],
    /// When its first keys were made.
    since: Timestamp,
}

/// A power failure that waits for its moment.
#[derive(Debug, Clone, Copy)]
pub struct Doom {
    /// The number of the fault.
    pub fault: usize,
    /// How many more commits the store applies before.
    pub commits: u64,
}

impl Server {
    /// Creates a homeserver with an empty store at the time `since`. Its keys follow from `seed` and its
    /// domain.
    pub fn new(plan: &ServerPlan, machines: Vec<usize>, seed: &[u8; 32], since: Timestamp) -> Self {
        let domain = plan.config.domain.clone();
        let key_seed = Random::derive(seed, "keys", &[domain.as_str().as_bytes()]).array();
        Self {
            domain,
            config: plan.config.clone(),
            disk: Disk::default(),
            journal: Journal::default(),
            copies: BTreeMap::new(),
            doom: None,
            skew: Skew::from_milliseconds(plan.skew_milliseconds),
            machines,
            key_seed,
            since,
        }
    }

    /// Returns when its first keys were made.
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// Returns the keys, the same ones on every call, as if read from a key file.
    pub fn keys(&self) -> ServiceKeys {
        ServiceKeys::generate(&self.domain, &mut Random::from_seed(self.key_seed), self.since)
    }

    /// Returns what process `number` of this homeserver runs. Processes differ in the node's name only.
    pub fn homeserver(&self, number: usize) -> Homeserver {
        let mut config = self.config.clone();
        config.node = NodeId([number as u8 + 1; 16]);
        Homeserver::new(config, self.keys())
    }
}
