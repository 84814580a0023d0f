//! What a node needs besides a store: time, randomness, peers, and a way to the operator.

use std::{future::Future, time::Duration};

use phoenix_core::{
    error::PeerFailure,
    operation::{Ask, Report},
    time::Timestamp,
    wire::operations::OperationKind,
};

/// What a node needs besides a store. The `peers` feature brings an implementation on the system's clock,
/// generator and network: `environment::System`.
pub trait Environment: Send + Sync + 'static {
    /// Returns the current time.
    fn now(&self) -> Timestamp;

    /// Returns 32 bytes from a cryptographically secure generator, different on every call.
    fn seed(&self) -> [u8; 32];

    /// Sends a request to another homeserver and returns its encoded answer. The request may reach the peer
    /// more than once.
    ///
    /// # Errors
    /// [`PeerFailure`] if there was no answer in time; the operation goes on without one.
    fn ask(&self, ask: Ask) -> impl Future<Output = Result<Vec<u8>, PeerFailure>> + Send;

    /// Tells the operator of something that needs attention.
    fn report(&self, report: Report);

    /// Measures an operation that has ended. Does nothing by default.
    fn observe(&self, _: &Observation) {}
}

/// How an operation went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// Whether the operation served a request, rather than a timer.
    pub request: bool,
    /// The operation that the request asked for; `None` for a timer, and for a code that no operation has.
    pub operation: Option<OperationKind>,
    /// The code of the refusal, if the operation ended in one.
    pub refusal: Option<u16>,
    /// Whether the operation committed anything.
    pub committed: bool,
    /// Time from acceptance to the end, including the wait for its turn.
    pub elapsed: Duration,
    /// How often a commit ended in a conflict or an unknown outcome.
    pub retries: u32,
}
