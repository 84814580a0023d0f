//! A machine and what an operation on it came from.

use std::sync::Arc;

use phoenix_core::operation::Timer;
use phoenix_core::time::Timestamp;

use super::call::CallId;
use crate::node::Node;

/// A place where one process of a homeserver runs, unless it has crashed.
pub(super) struct Machine {
    /// The index of the homeserver.
    pub server: usize,
    /// Which of the homeserver's processes it runs.
    pub number: usize,
    /// How many times it has been started.
    pub start: u32,
    /// The running process. `None` from a crash to the restart.
    pub node: Option<Node<Origin>>,
    /// Until when its process handles nothing, by the world's clock.
    pub paused_until: Option<Timestamp>,
    /// Commits of this start and of earlier ones reach the store no more: the power has failed since.
    pub cut_off: u32,
}

impl Machine {
    /// Creates a machine that has not been started.
    pub fn new(server: usize, number: usize) -> Self {
        Self { server, number, start: 0, node: None, paused_until: None, cut_off: 0 }
    }
}

/// What caused an operation, and so where its reply goes.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    /// A request: the reply goes to the caller.
    Call { call: CallId, request: Arc<Vec<u8>> },
    /// A timer: there is no reply.
    Timer(Timer),
}
