//! PROTOCOL.md §8, §9 — names of what messages travel through: the logs of a homeserver, and the streams between two.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::{domain::Domain, names::GroupUuid, random::random_identifier};

random_identifier! {
    /// Names a stream between two homeservers.
    StreamId
}

/// One of the streams to a homeserver: its groups are spread over a few.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct StreamName {
    /// Where it leads.
    pub destination: Domain,
    /// Which one.
    pub shard: u8,
}

/// Names a log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub enum LogId {
    /// The messages of a group of ours, by its uuid.
    #[tls_codec(discriminant = 1)]
    Group(GroupUuid),
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
pub struct LogPosition {
    /// The log.
    pub log: LogId,
    /// Without gaps, from 0.
    pub position: u64,
}
