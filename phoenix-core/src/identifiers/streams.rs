//! PROTOCOL.md §9, QS-to-QS delivery — names of what messages travel through: the streams between two
//! homeservers, and (§8, Atomicity) the logs in which messages wait to be distributed.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::{domain::Domain, names::GroupUuid, random::random_identifier};

random_identifier! {
    /// A stream, among those from one homeserver to another. The source draws a new one when it has lost its
    /// state.
    StreamId
}

/// One of the streams from this homeserver to another, by its place: groups are spread over a few shards. The
/// stream's [`StreamId`] may change, its name stays.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct StreamName {
    /// The homeserver that the stream leads to.
    pub destination: Domain,
    /// The shard, counted from 0.
    pub shard: u8,
}

/// A log: messages of one origin, in their order, that wait to be distributed to queues and streams.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub enum LogId {
    /// The messages of a group that this homeserver owns.
    #[tls_codec(discriminant = 1)]
    Group(GroupUuid),
    /// The messages that came in a stream from another homeserver.
    #[tls_codec(discriminant = 2)]
    Stream {
        /// The homeserver that they come from.
        source: Domain,
        /// The stream, among those of the source.
        stream_id: StreamId,
    },
}

impl LogId {
    /// Returns the homeserver that delivers what is in the log; `ours` is this homeserver's own domain.
    pub fn source<'a>(&'a self, ours: &'a Domain) -> &'a Domain {
        match self {
            Self::Group(_) => ours,
            Self::Stream { source, .. } => source,
        }
    }
}

/// The name of a row of a log.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct LogPosition {
    /// The log that the row is of.
    pub log: LogId,
    /// The row's place in the log: from 0, without gaps.
    pub position: u64,
}
