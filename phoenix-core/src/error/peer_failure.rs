//! PROTOCOL.md §5, Finding a service — what can go wrong on the way to another homeserver.

/// Why another homeserver gave no answer. It is for logs and operators: to an operation, all of them are the
/// same.
///
/// A driver gives it to [`Operation::answer`](crate::operation::Operation::answer).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PeerFailure {
    /// Its name does not lead to an address, or to none that may be called.
    #[error("the homeserver has no address that may be called")]
    NoAddress,
    /// No connection could be made.
    #[error("the homeserver cannot be reached")]
    Unreachable,
    /// It does not prove that it is the homeserver: its certificate is not valid for the name.
    #[error("the homeserver does not prove who it is")]
    Untrusted,
    /// The connection broke, or the answer did not come in time.
    #[error("the homeserver gave no answer")]
    NoAnswer,
    /// It answered something that is not an answer of the protocol.
    #[error("the homeserver gave no answer of this protocol")]
    NotAnAnswer,
    /// Too many requests to it are under way here already.
    #[error("too many requests to the homeserver are under way")]
    Busy,
}
