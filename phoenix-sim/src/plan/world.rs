//! The plan of one world, and that of each of its homeservers.

use std::time::Duration;

use phoenix_core::{config::Config, time::Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    config,
    differences::is_default,
    faults::{Fault, FaultKind},
    intents::{Action, GroupNumber, Intent},
    moments,
    packages::Packages,
    periodic::Periodic,
    settings::Settings,
};
use crate::{disk::StoreFaults, network::Conditions};

/// The plan of one world. All times count from the beginning of the world.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Plan {
    /// The settings that it was made from.
    pub settings: Settings,
    /// The time at which the world begins, by a clock that is right.
    #[serde(default = "usual_start", with = "moments")]
    pub start: Timestamp,
    /// The homeservers. The last one is the dishonest one, if there are attempts.
    pub servers: Vec<ServerPlan>,
    /// The users.
    pub users: Vec<UserPlan>,
    /// How many packages their clients publish.
    pub packages: Packages,
    /// What users want, each from some time on.
    pub intents: Vec<Intent>,
    /// The crashes of homeservers and clients, and the partitions.
    pub faults: Vec<Fault>,
    /// What the network does until the faults end.
    pub network: Conditions,
    /// What the stores do until the faults end.
    pub store_faults: StoreFaults,
    /// Who looks again from time to time for what is to do.
    pub periodic: Periodic,
    /// When the faults end. From then on everything must settle.
    pub faults_end: Duration,
    /// How often what nobody has told is looked for.
    pub habits: Habits,
    /// When the dishonest homeserver attempts an attack. Empty: there is no dishonest homeserver.
    pub attempts: Vec<Duration>,
    /// When attackers make a request with the keys of a user.
    pub loans: Vec<Loan>,
    /// The group in which an attacker damages what its founder sends.
    pub hostile: Option<Hostile>,
}

/// A group, whose founder lends its keys to an attacker who damages what it sends there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hostile {
    /// The index of the founder.
    pub user: usize,
    /// The group.
    pub group: GroupNumber,
    /// Another group, of the founder alone, whose deliveries the attacker has lead to others.
    pub lone: GroupNumber,
}

/// A request of an attacker with the keys that a user lends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Loan {
    /// When it is made.
    pub at: Duration,
    /// The index of the user.
    pub user: usize,
}

impl Plan {
    /// Returns how many groups users create.
    pub fn groups(&self) -> usize {
        self.intents.iter().filter(|intent| matches!(intent.action, Action::CreateGroup { .. })).count()
    }

    /// Returns whether the clock of some homeserver is wrong for a while.
    pub fn sets_server_clocks(&self) -> bool {
        let sets = |fault: &Fault| matches!(fault.kind, FaultKind::ServerClock { .. });
        self.faults.iter().any(sets)
    }

    /// Returns whether any clock is wrong for a while, a homeserver's or a device's.
    pub fn sets_clocks(&self) -> bool {
        let sets =
            |fault: &Fault| matches!(fault.kind, FaultKind::ServerClock { .. } | FaultKind::UserClock { .. });
        self.faults.iter().any(sets)
    }
}

/// The plan of one homeserver.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerPlan {
    /// Its settings, except for the node's name, which each process has of its own.
    #[serde(with = "config")]
    pub config: Config,
    /// The number of processes that share its store.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub nodes: usize,
    /// By how many milliseconds its clock is ahead, or behind if negative.
    #[serde(default, skip_serializing_if = "is_default")]
    pub skew_milliseconds: i64,
}

/// The plan of one user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserPlan {
    /// The index of its homeserver.
    pub server: usize,
    /// By how many milliseconds the clock of its device is ahead, or behind if negative.
    #[serde(default, skip_serializing_if = "is_default")]
    pub skew_milliseconds: i64,
}

/// How often processes and users look for what nobody has told them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Habits {
    /// How often a process looks for timers that others have set.
    pub scan_timers: Duration,
    /// How often users read their queues without a signal, apart from jitter.
    pub read_queues: Duration,
    /// How long a user waits before it tries an intent again.
    pub try_again: Duration,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            scan_timers: Duration::from_secs(5),
            read_queues: Duration::from_secs(20),
            try_again: Duration::from_secs(3),
        }
    }
}

/// When a world begins that does not say it: in January 2027.
const fn usual_start() -> Timestamp {
    Timestamp::from_milliseconds(1_800_000_000_000)
}

const fn one() -> usize {
    1
}

fn is_one(count: &usize) -> bool {
    *count == 1
}
