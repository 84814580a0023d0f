//! protocol.md §8, Atomicity — from one row in an operation's commit to every recipient's queue or stream.
//!
//! A *log* is an ordered sequence of messages with their recipients: the delivery service has one for each of
//! its groups, the queuing service one for each stream from another homeserver. `append` adds a row as part
//! of the commit that makes the message; the `distributor` moves rows on, in order, in commits of their own.

pub mod distributor;

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    context::Context,
    identifiers::Domain,
    operation::Timer,
    store::{Record, RecordKind, Transaction},
    timers,
    wire::{fan_out::FanOutMessage, federation::StreamId},
};

/// Names a log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub enum LogId {
    /// The messages of a group of ours, by its uuid.
    #[tls_codec(discriminant = 1)]
    Group([u8; 16]),
    /// The messages that came in a stream.
    #[tls_codec(discriminant = 2)]
    Stream {
        /// From this homeserver.
        source: Domain,
        /// Drawn for the stream when it was first seen.
        stream_id: StreamId,
    },
}

impl LogId {
    /// The homeserver that delivers what is in the log.
    pub fn source<'a>(&'a self, ours: &'a Domain) -> &'a Domain {
        match self {
            Self::Group(_) => ours,
            Self::Stream { source, .. } => source,
        }
    }
}

/// Names a row of a log.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct LogPosition {
    /// The log.
    pub log: LogId,
    /// Without gaps, from 0.
    pub position: u64,
}

/// A message on its way.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct FanOutRow(pub FanOutMessage);

impl Record for FanOutRow {
    type Name = LogPosition;
    const KIND: RecordKind = RecordKind::FanOutRow;
}

/// Adds `message` to the log. `position` is the log's next one; the row that handed it out is in the same commit.
pub(crate) fn append(
    transaction: &mut Transaction,
    context: &Context,
    log: LogId,
    position: u64,
    message: FanOutMessage,
) {
    transaction.put(&LogPosition { log: log.clone(), position }, &FanOutRow(message));
    timers::schedule(transaction, Timer::Distribute(log), context.now);
}
