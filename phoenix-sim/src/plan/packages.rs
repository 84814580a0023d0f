//! How many packages clients publish.

use phoenix_core::client::ClientConfig;
use serde::{Deserialize, Serialize};

/// How many packages clients publish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Packages {
    /// How many key packages besides the last resort.
    pub keys: usize,
    /// How many connection packages.
    pub connections: usize,
}

impl Packages {
    /// Sets the settings of a client.
    pub fn apply(&self, config: &mut ClientConfig) {
        (config.key_packages, config.connection_packages) = (self.keys, self.connections);
    }
}

impl Default for Packages {
    fn default() -> Self {
        Self { keys: 10, connections: 5 }
    }
}
