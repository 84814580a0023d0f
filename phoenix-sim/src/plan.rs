//! What is decided before a world begins: its users and what they want, its homeservers and what goes wrong
//! with them.
//!
//! [`generate`](crate::generate) makes a plan from a seed; a test may write one by hand. Everything else that
//! happens follows from the plan.

use std::time::Duration;

use phoenix_core::{
    client::ClientPlant,
    config::{Config, Plant},
};

use crate::{disk::StoreFaults, network::Conditions};

/// The size of a world and the bug to plant in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The seed that everything follows from.
    pub seed: u64,
    /// The number of honest homeservers, at least one. A dishonest one joins them.
    pub servers: usize,
    /// The number of users, at least two, spread evenly over the honest homeservers.
    pub users: usize,
    /// The number of messages that users send.
    pub messages: usize,
    /// The bug to plant, if any.
    pub plant: Option<Bug>,
    /// The cryptography of all homeservers and clients.
    pub cryptography: Cryptography,
}

/// What homeservers, clients and adversaries encrypt and sign with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cryptography {
    /// The null provider, which protects nothing and keeps all checks: several times as fast.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// In all homeservers.
    Homeservers(Plant),
    /// In all clients.
    Clients(ClientPlant),
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

/// What one user wants from some time on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// The earliest time at which the user tries.
    pub at: Duration,
    /// The index of the user.
    pub user: usize,
    /// What the user does.
    pub action: Action,
}

/// The number of a group in the plan, where its [`GroupId`](phoenix_core::identifiers::GroupId) is not known
/// yet.
pub type GroupNumber = usize;

/// What a user does, as soon as it is possible and until it succeeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Registers.
    Register,
    /// Connects with another user, once both are registered.
    Connect {
        /// The index of the other user.
        other: usize,
    },
    /// Creates a group.
    CreateGroup {
        /// The number that the group has in the plan.
        group: GroupNumber,
    },
    /// Invites another user to a group, once both are connected and the group exists.
    Invite {
        /// The group.
        group: GroupNumber,
        /// The index of the other user.
        other: usize,
    },
    /// Sends a message, once the user is a member of the group.
    Send {
        /// The group.
        group: GroupNumber,
        /// The text, which no other message has: oracles recognise the message by it.
        text: String,
    },
    /// Renews its keys in a group, once the user is a member.
    Update {
        /// The group.
        group: GroupNumber,
    },
}

impl Action {
    /// Returns the group that must exist before the action is possible.
    pub fn group(&self) -> Option<GroupNumber> {
        match self {
            Self::Invite { group, .. } | Self::Send { group, .. } | Self::Update { group } => Some(*group),
            Self::Register | Self::Connect { .. } | Self::CreateGroup { .. } => None,
        }
    }
}

/// A crash of a process or a client, or a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// When it begins.
    pub at: Duration,
    /// How long it lasts.
    pub lasts: Duration,
    /// What goes wrong.
    pub kind: FaultKind,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// A process is killed, and restarted when the fault ends.
    Crash {
        /// The index of its homeserver.
        server: usize,
        /// Which of the homeserver's processes, from 0.
        number: usize,
    },
    /// The network is partitioned.
    Partition {
        /// The indices of the homeservers on one side. All others are on the other.
        one_side: Vec<usize>,
    },
    /// A client is killed, and restored when the fault ends.
    ClientCrash {
        /// The index of its user.
        user: usize,
        /// How many outputs the client has from the beginning of the fault to the crash; 0: none, it crashes
        /// at once.
        steps: u64,
        /// What it is restored from.
        copy: DeviceCopy,
    },
}

/// What a client is restored from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceCopy {
    /// The last save.
    Last,
    /// A copy of the device that was made this long before the fault begins. If no entry of the client's
    /// queue was acknowledged since, no one could tell by now that the copy is an older one: then the last
    /// save.
    Older(Duration),
}
