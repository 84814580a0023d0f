//! What is to happen in a world, apart from what follows from it: users and what they want, machines and what
//! goes wrong with them. A plan is made by [`crate::generate`] from a seed, or written by hand in a test.

use std::time::Duration;

use phoenix_core::config::{Config, Plant};

use crate::{disk::Trouble, network::Conditions};

/// How large a world is to be, and which bug is to be planted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// What everything follows from.
    pub seed: u64,
    /// How many homeservers.
    pub servers: usize,
    /// How many users, spread over them.
    pub users: usize,
    /// How many messages are written.
    pub messages: usize,
    /// The planted bug, if there is to be one.
    pub plant: Option<Plant>,
}

/// A world to be.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What it was made from.
    pub settings: Settings,
    /// The homeservers; the last one may be the dishonest one.
    pub servers: Vec<ServerPlan>,
    /// Each user's homeserver.
    pub users: Vec<usize>,
    /// What users want, each from some time on.
    pub intents: Vec<Intent>,
    /// What goes wrong with machines.
    pub faults: Vec<Fault>,
    /// What the network does, until faults end.
    pub network: Conditions,
    /// What the stores do, until faults end.
    pub trouble: Trouble,
    /// When faults end: from then on everything must come to rest.
    pub faults_end: Duration,
    /// When the dishonest homeserver tries something. Empty: there is none.
    pub attempts: Vec<Duration>,
}

/// A homeserver to be.
#[derive(Debug, Clone)]
pub struct ServerPlan {
    /// Its settings; each node gets a name of its own.
    pub config: Config,
    /// How many processes share its store.
    pub nodes: usize,
    /// By how many milliseconds its clock is ahead, or behind if negative.
    pub skew_milliseconds: i64,
}

/// Something that a user wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// Not before.
    pub at: Duration,
    /// Who.
    pub user: usize,
    /// What.
    pub action: Action,
}

/// Groups are named by their number in the plan until they exist.
pub type GroupNumber = usize;

/// What a user can want. Each waits until it is possible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// To have an account.
    Register,
    /// To be connected with another user.
    Connect(usize),
    /// To have a group.
    CreateGroup(GroupNumber),
    /// To have another user in the group.
    Invite(GroupNumber, usize),
    /// To say something, which no one else says.
    Send(GroupNumber, String),
    /// To renew its keys in the group.
    Update(GroupNumber),
}

/// Something that goes wrong, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// When.
    pub at: Duration,
    /// For how long.
    pub lasts: Duration,
    /// What.
    pub kind: FaultKind,
}

/// What can go wrong with machines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// A process is killed.
    Crash {
        /// Of which homeserver.
        server: usize,
        /// Which.
        node: usize,
    },
    /// These homeservers and their users cannot reach the others.
    Split(Vec<usize>),
}
