//! What goes wrong at a time that the plan names.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::differences::is_default;

/// A mishap of a process, a client, a store, a clock or the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// When it begins.
    pub at: Duration,
    /// How long it lasts.
    pub lasts: Duration,
    /// What goes wrong.
    pub kind: FaultKind,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultKind {
    /// A process is killed, and restarted when the fault ends.
    Crash {
        /// The index of its homeserver.
        server: usize,
        /// Which of the homeserver's processes, from 0.
        #[serde(default, skip_serializing_if = "is_default")]
        number: usize,
    },
    /// The network is partitioned.
    Partition {
        /// The indices of the homeservers on one side. All others are on the other.
        one_side: Vec<usize>,
    },
    /// The clock of a homeserver is set wrong, and set right when the fault ends.
    ServerClock {
        /// The index of the homeserver.
        server: usize,
        /// By how many milliseconds it is set forward, or back if negative.
        by_milliseconds: i64,
    },
    /// The clock of a user's device is set wrong, and set right when the fault ends.
    UserClock {
        /// The index of the user.
        user: usize,
        /// By how many milliseconds it is set forward, or back if negative.
        by_milliseconds: i64,
    },
    /// A client is killed, and restored when the fault ends.
    ClientCrash {
        /// The index of its user.
        user: usize,
        /// How many outputs the client has from the beginning of the fault to the crash; 0: none, it crashes
        /// at once.
        #[serde(default, skip_serializing_if = "is_default")]
        steps: u64,
        /// What it is restored from.
        #[serde(default, skip_serializing_if = "is_default")]
        copy: DeviceCopy,
    },
    /// A process pauses, as a virtual machine does that is stopped: it handles nothing, and when the fault
    /// ends it goes on with what has arrived meanwhile.
    Pause {
        /// The index of its homeserver.
        server: usize,
        /// Which of the homeserver's processes, from 0.
        number: usize,
    },
    /// All processes of a homeserver crash at once, and what was not synced is lost: commits on their way to
    /// the store, and those that the store has applied and no one has seen. All restart when the fault ends.
    PowerFailure {
        /// The index of the homeserver.
        server: usize,
        /// How many commits the store applies from the beginning of the fault to the failure, which comes
        /// right after the last of them; 0: it comes at once.
        commits: u64,
        /// The indices of the users whose devices fail with it: saves under way never reach them.
        users: Vec<usize>,
    },
    /// All processes of a homeserver stop, its store is replaced by a copy, and they start again when the
    /// fault ends. What was spent or accepted since then can be spent and accepted once more: this is for worlds in
    /// which no one attacks.
    StoreRestored {
        /// The index of the homeserver.
        server: usize,
        /// How long before the fault the copy is made, or as soon after that as all users of the homeserver
        /// are registered: there is no way back yet for a client that its homeserver does not know.
        age: Duration,
    },
    /// A row of a homeserver's store is lost or damaged, as soon as there is one.
    DamagedRow {
        /// The index of the homeserver.
        server: usize,
        /// Of which kind.
        rows: DamagedRows,
        /// Which of them, counted from 0 and around.
        #[serde(default, skip_serializing_if = "is_default")]
        number: usize,
        /// What becomes of it.
        damage: Damage,
    },
}

/// A kind of rows that are damaged, named by what the damage concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DamagedRows {
    /// No one: the node that works on some timers.
    Lease,
    /// No one: the kept keys of a peer.
    PeerKeys,
    /// No one: how much a peer has delivered.
    InboundSource,
    /// No one: the budget of first contacts.
    FirstContacts,
    /// One client: an entry of its queue.
    QueueEntry,
    /// One log: a message on its way to its recipients.
    FanOutRow,
    /// One destination: an entry of an outbound stream.
    OutboundEntry,
    /// One source: the position of a stream.
    InboundStream,
    /// One group: its head.
    GroupHead,
    /// One group: a section of its state.
    GroupSection,
}

/// What becomes of a damaged row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Damage {
    /// It is gone.
    Removed,
    /// One of its bytes is another one.
    Changed,
}

/// What a client is restored from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceCopy {
    /// The last save.
    #[default]
    Last,
    /// A copy of the device that was made this long before the fault begins. If no entry of the client's
    /// queue was acknowledged since, no one could tell by now that the copy is an older one: then the last
    /// save.
    Older(Duration),
}
