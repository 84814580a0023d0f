//! Homeservers, their rows, and the time.

use std::collections::{BTreeMap, BTreeSet};

use super::faults::Faults;
use crate::{
    homeserver::Homeserver,
    identifiers::Domain,
    operation::{Ask, Report, Timer},
    store::{MemoryStore, RecordKind},
    time::Timestamp,
    wire::operations::OperationKind,
};

/// A homeserver and its rows.
#[derive(Clone)]
pub struct Server {
    /// The settings and keys.
    pub homeserver: Homeserver,
    /// The rows that it keeps.
    pub store: MemoryStore,
}

/// Homeservers that reach each other, under one clock.
#[derive(Clone)]
pub struct World {
    /// The time, for all homeservers.
    pub now: Timestamp,
    /// The homeservers.
    pub servers: BTreeMap<Domain, Server>,
    /// The homeservers that reach no other and are reached by none.
    pub down: BTreeSet<Domain>,
    /// What an impostor answers in a homeserver's place.
    pub impostors: BTreeMap<Domain, Vec<u8>>,
    /// Every question that was asked, answered or not.
    pub asks: Vec<Ask>,
    /// What was reported to operators.
    pub reports: Vec<Report>,
    /// The faults of the network, the stores and the processes.
    pub faults: Faults,
    /// The seed of what the homeservers draw and of what goes wrong by chance.
    pub seed: [u8; 32],
    pub(super) draws: u64,
    /// Timers that wait longer than their rows say.
    pub(super) postponed: BTreeMap<(Domain, Timer), Timestamp>,
}

impl World {
    /// A world without homeservers.
    pub fn new(now: Timestamp) -> Self {
        Self {
            now,
            servers: BTreeMap::new(),
            down: BTreeSet::new(),
            impostors: BTreeMap::new(),
            asks: Vec::new(),
            reports: Vec::new(),
            faults: Faults::default(),
            seed: [7; 32],
            draws: 0,
            postponed: BTreeMap::new(),
        }
    }

    /// Adds a homeserver with an empty store, or in place of the one of its domain, with that one's store.
    pub fn add(&mut self, homeserver: Homeserver) {
        let domain = homeserver.domain().clone();
        let store = self.servers.remove(&domain).map(|server| server.store).unwrap_or_default();
        self.servers.insert(domain, Server { homeserver, store });
    }

    /// Returns the rows of a homeserver.
    pub fn store(&self, domain: &Domain) -> &MemoryStore {
        &self.servers[domain].store
    }

    /// Returns the rows of a homeserver, to change them behind its back.
    pub fn store_mut(&mut self, domain: &Domain) -> &mut MemoryStore {
        &mut self.servers.get_mut(domain).unwrap().store
    }

    /// Returns how many rows of this kind the homeserver of this name has.
    pub fn count(&self, name: &str, kind: RecordKind) -> usize {
        self.store(&name.parse().unwrap()).count(kind)
    }

    /// Returns how often other homeservers asked an operation of this one.
    pub fn asked_for(&self, domain: &Domain, kind: OperationKind) -> usize {
        let code = kind.code().to_be_bytes();
        self.asks.iter().filter(|ask| ask.domain == *domain && ask.request[2..4] == code).count()
    }
}
