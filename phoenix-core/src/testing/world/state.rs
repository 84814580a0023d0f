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
    /// The homeserver.
    pub homeserver: Homeserver,
    /// Its rows.
    pub store: MemoryStore,
}

/// Homeservers that reach each other, and one clock.
#[derive(Clone)]
pub struct World {
    /// The time.
    pub now: Timestamp,
    /// The homeservers.
    pub servers: BTreeMap<Domain, Server>,
    /// Who reaches nobody and is reached by nobody.
    pub down: BTreeSet<Domain>,
    /// What is answered in a homeserver's place.
    pub impostors: BTreeMap<Domain, Vec<u8>>,
    /// Every question that was asked, answered or not.
    pub asks: Vec<Ask>,
    /// What operators were told.
    pub reports: Vec<Report>,
    /// What goes wrong.
    pub faults: Faults,
    /// Decides what the homeservers draw, and what goes wrong when.
    pub seed: [u8; 32],
    pub(super) draws: u64,
    /// Timers that wait longer than their rows say.
    pub(super) postponed: BTreeMap<(Domain, Timer), Timestamp>,
}

impl World {
    /// No homeserver yet.
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

    /// Adds a homeserver with an empty store, or with the store that its predecessor has left.
    pub fn add(&mut self, homeserver: Homeserver) {
        let domain = homeserver.domain().clone();
        let store = self.servers.remove(&domain).map(|server| server.store).unwrap_or_default();
        self.servers.insert(domain, Server { homeserver, store });
    }

    /// The rows of a homeserver.
    pub fn store(&self, domain: &Domain) -> &MemoryStore {
        &self.servers[domain].store
    }

    /// The rows of a homeserver, to change them behind its back.
    pub fn store_mut(&mut self, domain: &Domain) -> &mut MemoryStore {
        &mut self.servers.get_mut(domain).unwrap().store
    }

    /// How many rows of this kind the homeserver of this name has.
    pub fn count(&self, name: &str, kind: RecordKind) -> usize {
        self.store(&name.parse().unwrap()).count(kind)
    }

    /// How often an operation was asked of a homeserver by others.
    pub fn asked_for(&self, domain: &Domain, kind: OperationKind) -> usize {
        let code = kind.code().to_be_bytes();
        self.asks.iter().filter(|ask| ask.domain == *domain && ask.request[2..4] == code).count()
    }
}
