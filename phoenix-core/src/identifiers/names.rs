//! Users, clients, groups and the pseudonyms of the queuing service.

use std::fmt;

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::domain::Domain;
use crate::rng::Random;

/// Writes an identifier as lower-case hexadecimal digits.
pub struct HexId<'a>(pub &'a [u8]);

impl fmt::Display for HexId<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

macro_rules! random_identifier {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, TlsSize, TlsSerialize,
            TlsDeserializeBytes,
        )]
        pub struct $name(pub [u8; 16]);

        impl $name {
            /// A fresh identifier: 16 random bytes.
            pub fn random(random: &mut Random) -> Self {
                Self(random.array())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                HexId(&self.0).fmt(formatter)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, concat!(stringify!($name), "({})"), HexId(&self.0))
            }
        }
    };
}

random_identifier! {
    /// A user's pseudonym at the queuing service.
    QsUserId
}
random_identifier! {
    /// A client's pseudonym at the queuing service; names its fan-out queue.
    QsClientId
}
random_identifier! {
    /// Names one request, so that its repetition is recognised (PROTOCOL.md §2).
    RequestId
}

random_identifier! {
    /// A leaf's pseudonym, unique in its group. It names a member through updates and resyncs, whatever its leaf index,
    /// and says nothing of whose leaf it is (PROTOCOL.md §4).
    LeafIdentity
}

/// A user: who it is at which homeserver.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct UserId {
    /// Unique at the homeserver.
    pub uuid: [u8; 16],
    /// The user's homeserver.
    pub domain: Domain,
}

/// A client (device) of a user.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct ClientId {
    /// Whose client it is.
    pub user_id: UserId,
    /// Unique among the user's clients.
    pub uuid: [u8; 16],
}

/// A group: its name at the homeserver that owns it. The MLS group id is its encoding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct GroupId {
    /// Unique at the homeserver.
    pub uuid: [u8; 16],
    /// The homeserver whose delivery service owns the group.
    pub domain: Domain,
}

impl fmt::Display for UserId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}@{}", HexId(&self.uuid), self.domain)
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.user_id, HexId(&self.uuid))
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}@{}", HexId(&self.uuid), self.domain)
    }
}
