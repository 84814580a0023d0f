//! A machine and what an operation on it came from.

use std::sync::Arc;

use phoenix_core::operation::Timer;

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
}

/// What caused an operation, and so where its reply goes.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    /// A request: the reply goes to the caller.
    Call { call: CallId, request: Arc<Vec<u8>> },
    /// A timer: there is no reply.
    Timer(Timer),
}
