//! What a body knows besides records: the time, the configuration, the keys, and random bytes.

use crate::{
    config::Config, homeserver::Homeserver, identifiers::Domain, keys::ServiceKeys, rng::Random,
    time::Timestamp,
};

/// The surroundings of one attempt of an operation.
///
/// `random` is the same over the restarts of an attempt and fresh in the next one, so that no key and nonce
/// ever meet two contents.
pub struct Context {
    homeserver: Homeserver,
    /// The time at which the input was accepted.
    pub now: Timestamp,
    /// Random bytes for this attempt.
    pub random: Random,
}

impl Context {
    pub(crate) fn new(homeserver: Homeserver, now: Timestamp, random: Random) -> Self {
        Self { homeserver, now, random }
    }

    /// The homeserver served.
    pub fn homeserver(&self) -> &Homeserver {
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
        &self.config().domain
    }

    /// Whether a planted bug is active: never, outside the simulator's builds.
    pub fn planted(&self, plant: crate::config::Plant) -> bool {
        cfg!(feature = "plant") && self.config().plant == Some(plant)
    }
}
