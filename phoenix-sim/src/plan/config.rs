//! The settings of a homeserver in serialized form: its domain, and what is not the default. The node's name,
//! which each process has of its own, and the bug to plant, which all have in common, are none of it.

use phoenix_core::{
    config::{Config, Policy, Rates, RegistrationPolicy, Sizes, Times},
    identifiers::{Domain, NodeId},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::Error};
use toml::Table;

use super::{differences::differences, durations};

/// What is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    domain: Domain,
    #[serde(default)]
    registration: RegistrationPolicy,
    #[serde(default)]
    federation: Policy,
    #[serde(default)]
    times: Times,
    #[serde(default)]
    rates: Rates,
    #[serde(default)]
    sizes: Sizes,
}

pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Config, D::Error> {
    let Written { domain, registration, federation, times, rates, sizes } =
        Written::deserialize(deserializer)?;
    let node = NodeId([0; 16]);
    Ok(Config { domain, node, registration, federation, times, rates, sizes, plant: None })
}

pub fn serialize<S: Serializer>(config: &Config, serializer: S) -> Result<S::Ok, S::Error> {
    let table = |config: &Config| Table::try_from(config).map(durations::spell_out).map_err(S::Error::custom);
    let mut base = table(&Config::new(config.domain.clone()))?;
    base.remove("domain");
    let mut value = table(config)?;
    value.remove("node");
    differences(value, &base).serialize(serializer)
}
