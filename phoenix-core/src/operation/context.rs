//! What stays the same over all passes and attempts of one operation.

use crate::{
    config::{Config, Plant},
    homeserver::Homeserver,
    identifiers::Domain,
    keys::ServiceKeys,
    time::Timestamp,
};

/// The homeserver that an operation runs at, the time at which its input was accepted, and its name.
pub struct Context {
    homeserver: Homeserver,
    now: Timestamp,
    name: [u8; 16],
}

impl Context {
    /// `name` is random: no other operation has it.
    pub(crate) const fn new(homeserver: Homeserver, now: Timestamp, name: [u8; 16]) -> Self {
        Self { homeserver, now, name }
    }

    /// What tells this operation from every other, in all its attempts: what it noted in a row, it knows again.
    pub const fn name(&self) -> [u8; 16] {
        self.name
    }

    /// The time at which the input was accepted: the only time that an operation knows.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// The homeserver served.
    pub const fn homeserver(&self) -> &Homeserver {
        &self.homeserver
    }

    /// Its configuration.
    pub fn config(&self) -> &Config {
        self.homeserver.config()
    }

    /// Its keys.
    pub fn keys(&self) -> &ServiceKeys {
        self.homeserver.keys()
    }

    /// Its domain.
    pub fn domain(&self) -> &Domain {
        self.homeserver.domain()
    }

    /// Whether a planted bug is active: never, outside the simulator's builds.
    pub fn planted(&self, plant: Plant) -> bool {
        cfg!(feature = "plant") && self.config().plant == Some(plant)
    }
}
