//! Notifications between nodes on the same database.

use phoenix_core::{
    identifiers::{NodeId, QsClientId},
    operation::Timer,
    time::Timestamp,
};
use tokio::sync::broadcast;

/// An event at one node, for the other nodes on the same database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The node's id, as in its [configuration](phoenix_core::config::Config::node): a node skips its own.
    pub from: NodeId,
    /// What happened at that node.
    pub event: NodeEvent,
}

/// What happened at a node, as far as other nodes must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeEvent {
    /// A timer was scheduled; the node that holds its lease runs it.
    Wake {
        /// The timer.
        timer: Timer,
        /// When it is due.
        due: Timestamp,
    },
    /// This client's queue has grown; the client may be connected to another node.
    Signal(QsClientId),
}

/// Notifications that wait for a node in the same process. A node that falls behind further learns that it
/// missed some.
const WAITING: usize = 1024;

/// A channel between the nodes of one process.
pub(super) fn channel() -> broadcast::Sender<Notification> {
    broadcast::Sender::new(WAITING)
}
