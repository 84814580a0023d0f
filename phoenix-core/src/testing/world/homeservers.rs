//! Homeservers to begin with.

use super::state::{Server, World};
use crate::{
    config::Config, homeserver::Homeserver, identifiers::Domain, keys::ServiceKeys, rng::Random,
    time::Timestamp,
};

/// The time at which tests begin.
pub const NOW: Timestamp = Timestamp::from_milliseconds(1_800_000_000_000);

/// Returns the domain with this name.
pub fn domain(name: &str) -> Domain {
    name.parse().unwrap()
}

impl World {
    /// Sets up homeservers of these names.
    pub fn of(names: &[&str]) -> Self {
        let mut world = Self::new(NOW);
        for name in names {
            world.install(name, |_, _| ());
        }
        world
    }

    /// Sets the homeserver `name` up, or up again: with the same keys and rows, and the settings as `change`
    /// leaves them.
    pub fn install(&mut self, name: &str, change: impl FnOnce(&mut Config, &mut ServiceKeys)) {
        let mut keys = keys(name);
        let mut config = Config::new(domain(name));
        change(&mut config, &mut keys);
        self.add(Homeserver::new(config, keys));
    }

    /// Returns the homeserver of this name.
    pub fn server(&mut self, name: &str) -> &mut Server {
        self.servers.get_mut(&domain(name)).unwrap()
    }
}

/// Returns the keys of the homeserver with this name: always the same ones.
pub fn keys(name: &str) -> ServiceKeys {
    let mut seed = [0; 32];
    seed[..name.len()].copy_from_slice(name.as_bytes());
    ServiceKeys::generate(&domain(name), &mut Random::from_seed(seed), NOW)
}

/// Makes a homeserver with keys of its own.
pub fn homeserver(
    random: &mut Random,
    domain: &Domain,
    now: Timestamp,
    settings: &impl Fn(&mut Config),
) -> Homeserver {
    let keys = ServiceKeys::generate(domain, random, now);
    let mut config = Config::new(domain.clone());
    settings(&mut config);
    Homeserver::new(config, keys)
}
