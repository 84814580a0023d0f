//! A call: a request and the caller that waits for its answer.

use std::{fmt, sync::Arc};

use phoenix_core::{client::ExchangeId, operation::Ask};

use super::process::Process;
use crate::{adversary::AttemptId, malice};

/// Names a call, in the order in which calls are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CallId {
    pub number: u64,
    /// Whether the caller keeps to the protocol.
    pub is_honest: bool,
}

impl fmt::Display for CallId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "call {}", self.number)
    }
}

/// The party that waits for an answer.
#[derive(Debug, Clone)]
pub(super) enum Caller {
    /// The client of a user.
    User { user: usize, start: u32, exchange: ExchangeId },
    /// A process of a homeserver, which asks a peer.
    Process { process: Process, ask: Ask },
    /// The dishonest homeserver.
    Adversary { attempt: AttemptId },
    /// An attacker with the keys of a user.
    Malice { user: usize, attempt: malice::AttemptId },
}

/// A call that has not ended.
#[derive(Debug)]
pub(super) struct Call {
    pub caller: Caller,
    pub request: Arc<Vec<u8>>,
}
