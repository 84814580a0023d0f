//! The words of the calling contract: what an operation asks of its driver, and what it comes to.

use crate::{
    error::Refusal,
    identifiers::{Domain, LogId, QsClientId, StreamName},
    keys::NoValidKey,
    store::{Commit, Reads},
    time::Timestamp,
    wire::operations::Service,
};

/// How a handler leaves before it is through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interrupt {
    /// Rows are missing.
    Load(Reads),
    /// Another homeserver must be asked first.
    Ask(Ask),
    /// The request is refused.
    Refuse(Refusal),
}

impl From<Refusal> for Interrupt {
    fn from(refusal: Refusal) -> Self {
        Self::Refuse(refusal)
    }
}

impl From<NoValidKey> for Interrupt {
    fn from(missing: NoValidKey) -> Self {
        Self::Refuse(missing.into())
    }
}

/// A question to another homeserver.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ask {
    /// The homeserver to ask.
    pub domain: Domain,
    /// The service of it to ask.
    pub service: Service,
    /// The encoded request. It may be sent any number of times.
    pub request: Vec<u8>,
}

/// A task that is due at some time, kept as a row so that it outlives the process.
#[derive(
    Debug,
    Clone,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    tls_codec::TlsSize,
    tls_codec::TlsSerialize,
    tls_codec::TlsDeserializeBytes,
)]
#[repr(u8)]
pub enum Timer {
    /// Distribute what waits in a log.
    #[tls_codec(discriminant = 1)]
    Distribute(LogId),
    /// Deliver what waits in a stream.
    #[tls_codec(discriminant = 2)]
    Deliver(StreamName),
    /// Drop what has expired.
    #[tls_codec(discriminant = 3)]
    Sweep,
}

/// Something to do once the commit is durable. A lost effect costs time and nothing else: rows say the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Give the timer to [`Homeserver::accept`](crate::Homeserver::accept) when it is due.
    Wake {
        /// The timer.
        timer: Timer,
        /// When it is due.
        due: Timestamp,
    },
    /// Tell this client, if it is connected, that its queue has grown.
    Signal(QsClientId),
    /// The caller may be told of every [`Effect::Signal`] for this client, as long as it stays connected; and
    /// once now, for what came before.
    Listening(QsClientId),
    /// Something the operator should know.
    Report(Report),
}

/// What an operator should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// Entries of an outbox over its bound were dropped; the peer's clients get gap markers.
    OutboxDropped {
        /// The homeserver that they were for.
        destination: Domain,
        /// How many entries were dropped.
        count: u64,
        /// Since when deliveries to it fail.
        since: Timestamp,
    },
    /// A message on its way to its recipients is damaged in the store, or sealed under another service key.
    DamagedMessage {
        /// The log that it is in.
        log: LogId,
        /// Where in the log.
        position: u64,
        /// Whether it is given up. If not, nothing behind it can be read either, and all of it waits.
        lost: bool,
    },
    /// A peer refuses what this homeserver delivers.
    PeerRefuses {
        /// The peer.
        destination: Domain,
        /// Its refusal.
        refusal: Refusal,
    },
}

/// What an operation will contend for. A node runs the operations of one lane in order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Contends for nothing: runs at any time.
    Free,
    /// A row or family of rows, by a name that need not mean anything.
    Of(Vec<u8>),
}

/// What the driver is to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Read, then [`Operation::supply`](super::Operation::supply).
    Read(Reads),
    /// Ask another homeserver, then [`Operation::answer`](super::Operation::answer).
    Ask(Ask),
    /// Commit, then [`Operation::settle`](super::Operation::settle).
    Commit(Commit),
    /// Over.
    Done(Outcome),
}

/// What an operation comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The encoded response, if a caller waits for one.
    pub reply: Option<Vec<u8>>,
    /// What is to happen now.
    pub effects: Vec<Effect>,
}
