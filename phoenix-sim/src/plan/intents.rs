//! What users want.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What one user wants from some time on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
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
    /// Switches its device off for good, once everything that it and those in its groups wanted is done.
    Leave,
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
            Self::Register | Self::Connect { .. } | Self::CreateGroup { .. } | Self::Leave => None,
        }
    }
}
