//! Users, clients, groups and the pseudonyms of the queuing service.

use std::{fmt, str::FromStr};

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::{
    domain::Domain,
    random::random_identifier,
    text::{InvalidIdentifier, as_text},
};

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

random_identifier! {
    /// A user among the users of a homeserver.
    UserUuid
}
random_identifier! {
    /// A client among the clients of a user.
    ClientUuid
}
random_identifier! {
    /// A group among the groups of a homeserver.
    GroupUuid
}
random_identifier! {
    /// A node among the nodes that share a homeserver's store.
    NodeId
}

/// A user: who it is at which homeserver. Written as `<uuid>@<domain>`.
///
/// ```
/// use phoenix_core::identifiers::UserId;
/// let user: UserId = "000102030405060708090a0b0c0d0e0f@example.com".parse()?;
/// assert_eq!(user.domain.as_str(), "example.com");
/// # Ok::<(), phoenix_core::identifiers::InvalidIdentifier>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct UserId {
    /// Unique at the homeserver.
    pub uuid: UserUuid,
    /// The user's homeserver.
    pub domain: Domain,
}

/// A client (device) of a user. Written as `<user's uuid>@<domain>/<client's uuid>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct ClientId {
    /// The user whose client it is.
    pub user_id: UserId,
    /// Unique among the user's clients.
    pub uuid: ClientUuid,
}

/// A group: its name at the homeserver that owns it. The MLS group id is its encoding. Written as `<uuid>@<domain>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct GroupId {
    /// Unique at the homeserver.
    pub uuid: GroupUuid,
    /// The homeserver whose delivery service owns the group.
    pub domain: Domain,
}

impl fmt::Display for UserId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}@{}", self.uuid, self.domain)
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.user_id, self.uuid)
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}@{}", self.uuid, self.domain)
    }
}

impl FromStr for UserId {
    type Err = InvalidIdentifier;

    fn from_str(text: &str) -> Result<Self, InvalidIdentifier> {
        let (uuid, domain) = text.split_once('@').ok_or(InvalidIdentifier::Form("<uuid>@<domain>"))?;
        Ok(Self { uuid: uuid.parse()?, domain: domain.parse()? })
    }
}

impl FromStr for ClientId {
    type Err = InvalidIdentifier;

    fn from_str(text: &str) -> Result<Self, InvalidIdentifier> {
        let (user_id, uuid) =
            text.split_once('/').ok_or(InvalidIdentifier::Form("<uuid>@<domain>/<uuid>"))?;
        Ok(Self { user_id: user_id.parse()?, uuid: uuid.parse()? })
    }
}

impl FromStr for GroupId {
    type Err = InvalidIdentifier;

    fn from_str(text: &str) -> Result<Self, InvalidIdentifier> {
        let (uuid, domain) = text.split_once('@').ok_or(InvalidIdentifier::Form("<uuid>@<domain>"))?;
        Ok(Self { uuid: uuid.parse()?, domain: domain.parse()? })
    }
}

as_text!(UserId);
as_text!(ClientId);
as_text!(GroupId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_other_texts_are_not() {
        let client = ClientId {
            user_id: UserId { uuid: UserUuid([0xab; 16]), domain: "example.com".parse().unwrap() },
            uuid: ClientUuid([1; 16]),
        };
        assert_eq!(client.to_string().parse(), Ok(client.clone()));
        assert_eq!(client.user_id.to_string().parse(), Ok(client.user_id.clone()));
        for (text, reason) in [
            ("example.com", InvalidIdentifier::Form("<uuid>@<domain>")),
            ("abab@example.com", InvalidIdentifier::Digits),
            ("+bababababababababababababababab@example.com", InvalidIdentifier::Digits),
            (
                "abababababababababababababababab@localhost",
                InvalidIdentifier::Domain(crate::identifiers::InvalidDomain::NotQualified),
            ),
        ] {
            assert_eq!(text.parse::<UserId>(), Err(reason), "{text}");
        }
        let without_client = client.user_id.to_string().parse::<ClientId>();
        assert_eq!(without_client, Err(InvalidIdentifier::Form("<uuid>@<domain>/<uuid>")));
    }
}
