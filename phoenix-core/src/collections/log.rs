//! PROTOCOL.md §8, Atomicity — logs: from one row in an operation's commit to every recipient's queue or
//! stream.
//!
//! A *log* is an ordered sequence of messages with their recipients: the delivery service has one for each of
//! its groups, the queuing service one for each stream from another homeserver. [`append`] adds a row as part
//! of the commit that makes the message; the distributor moves rows on, in order, in commits of their own.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    identifiers::{LogId, LogPosition},
    operation::{Timer, Transaction},
    store::{Record, RecordKind},
    wire::fan_out::FanOutMessage,
};

/// A message on its way.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct FanOutRow(pub FanOutMessage);

impl Record for FanOutRow {
    type Name = LogPosition;
    const KIND: RecordKind = RecordKind::FanOutRow;
}

/// Adds `message` to the log at `position`, the log's next one: the row that counts positions is in the same
/// commit.
pub(crate) fn append(transaction: &mut Transaction<'_>, log: LogId, position: u64, message: FanOutMessage) {
    transaction.put(&LogPosition { log: log.clone(), position }, &FanOutRow(message));
    transaction.schedule(Timer::Distribute(log), transaction.now());
}
