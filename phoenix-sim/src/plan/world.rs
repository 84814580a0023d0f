//! The plan of one world, and that of each of its homeservers.

use std::time::Duration;

use phoenix_core::config::Config;

use super::{
    faults::Fault,
    intents::{GroupNumber, Intent},
    settings::Settings,
};
use crate::{disk::StoreFaults, network::Conditions};

/// The plan of one world. All times count from the beginning of the world.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The settings that it was made from.
    pub settings: Settings,
    /// The homeservers. The last one is the dishonest one, if there are attempts.
    pub servers: Vec<ServerPlan>,
    /// The index of each user's homeserver.
    pub users: Vec<usize>,
    /// What users want, each from some time on.
    pub intents: Vec<Intent>,
    /// The crashes of homeservers and clients, and the partitions.
    pub faults: Vec<Fault>,
    /// What the network does until the faults end.
    pub network: Conditions,
    /// What the stores do until the faults end.
    pub store_faults: StoreFaults,
    /// When the faults end. From then on everything must settle.
    pub faults_end: Duration,
    /// When the dishonest homeserver attempts an attack. Empty: there is no dishonest homeserver.
    pub attempts: Vec<Duration>,
    /// When attackers make a request with the keys of a user.
    pub loans: Vec<Loan>,
    /// The group in which an attacker damages what its founder sends.
    pub hostile: Option<Hostile>,
}

/// A group, whose founder lends its keys to an attacker who damages what it sends there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hostile {
    /// The index of the founder.
    pub user: usize,
    /// The group.
    pub group: GroupNumber,
    /// Another group, of the founder alone, whose deliveries the attacker has lead to others.
    pub lone: GroupNumber,
}

/// A request of an attacker with the keys that a user lends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loan {
    /// When it is made.
    pub at: Duration,
    /// The index of the user.
    pub user: usize,
}

/// The plan of one homeserver.
#[derive(Debug, Clone)]
pub struct ServerPlan {
    /// Its settings, except for the node's name, which each process has of its own.
    pub config: Config,
    /// The number of processes that share its store.
    pub nodes: usize,
    /// By how many milliseconds its clock is ahead, or behind if negative.
    pub skew_milliseconds: i64,
}
