//! The size of a world, its cryptography, and the bug to plant in it.

use std::{str::FromStr, time::Duration};

use phoenix_core::{client::ClientPlant, config::Plant};
use serde::{
    Deserialize, Serialize,
    de::{IntoDeserializer, value},
};

/// The size of a world and the bug to plant in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The seed that everything follows from.
    pub seed: u64,
    /// The number of honest homeservers, at least one. A dishonest one joins them.
    pub servers: usize,
    /// The number of users at a time, at least two, spread evenly over the honest homeservers. In a world of
    /// months others come in the place of those who leave.
    pub users: usize,
    /// The number of messages that users send.
    pub messages: usize,
    /// How long users send messages. `None`: as long as the seed says, minutes in most worlds, months in few.
    pub span: Option<Duration>,
    /// The bug to plant, if any.
    pub plant: Option<Bug>,
    /// The cryptography of all homeservers and clients.
    pub cryptography: Cryptography,
}

/// What homeservers, clients and adversaries encrypt and sign with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cryptography {
    /// The null provider, which protects nothing and keeps all checks: several times as fast.
    #[default]
    Null,
    /// As in production.
    Real,
}

impl Cryptography {
    /// Real cryptography in one world of twenty: what the null provider hides is found there.
    pub const fn of_seed(seed: u64) -> Self {
        if seed.is_multiple_of(20) { Self::Real } else { Self::Null }
    }
}

/// A bug that oracles must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "no such bug can be planted: `phoenix-sim run --plant x` lists all")]
pub enum Bug {
    /// In all homeservers.
    Homeservers(Plant),
    /// In all clients.
    Clients(ClientPlant),
}

impl FromStr for Bug {
    type Err = String;

    /// Reads the name of a bug, in small letters, its words joined by hyphens. The error lists all names.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = text.replace('-', "_");
        let in_homeservers = Plant::deserialize(name.as_str().into_deserializer());
        let in_clients = ClientPlant::deserialize(name.as_str().into_deserializer());
        in_homeservers.map(Self::Homeservers).or_else(|error: value::Error| {
            in_clients.map(Self::Clients).map_err(|in_clients: value::Error| {
                format!("in homeservers: {error}; in clients: {in_clients}").replace('_', "-")
            })
        })
    }
}

impl Settings {
    /// Returns the bug to plant in homeservers, if there is one.
    pub fn homeserver_plant(&self) -> Option<Plant> {
        match self.plant {
            Some(Bug::Homeservers(plant)) => Some(plant),
            Some(Bug::Clients(_)) | None => None,
        }
    }

    /// Returns the bug to plant in clients, if there is one.
    pub fn client_plant(&self) -> Option<ClientPlant> {
        match self.plant {
            Some(Bug::Clients(plant)) => Some(plant),
            Some(Bug::Homeservers(_)) | None => None,
        }
    }
}
