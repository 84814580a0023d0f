//! PROTOCOL.md §1, Names — users, clients, groups, and the pseudonyms that the services know them by.

use std::{fmt, str::FromStr};

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::{
    domain::Domain,
    random::random_identifier,
    text::{InvalidIdentifier, as_text},
};

random_identifier! {
    /// A user's pseudonym at the queuing service. No service can tell whose it is.
    QsUserId
}
random_identifier! {
    /// A client's pseudonym at the queuing service. It names the client's fan-out queue.
    QsClientId
}
random_identifier! {
    /// The name of one request, which each repetition of it carries (PROTOCOL.md §2, Idempotency).
    RequestId
}

random_identifier! {
    /// A member's pseudonym in one group (PROTOCOL.md §4, Leaves). It stays through updates and resyncs,
    /// whatever the leaf index, and says nothing of whose leaf it is.
    LeafIdentity
}

random_identifier! {
    /// A user, among those of its homeserver.
    UserUuid
}
random_identifier! {
    /// A client, among those of its user.
    ClientUuid
}
random_identifier! {
    /// A group, among those of its homeserver.
    GroupUuid
}
random_identifier! {
    /// A node, among those that share a homeserver's store.
    NodeId
}

/// A user, and the homeserver where it is registered. Written as `<uuid>@<domain>`.
///
/// ```
/// use phoenix_core::identifiers::UserId;
/// let user: UserId = "000102030405060708090a0b0c0d0e0f@example.com".parse()?;
/// assert_eq!(user.domain.as_str(), "example.com");
/// # Ok::<(), phoenix_core::identifiers::InvalidIdentifier>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct UserId {
    /// The user, among those of the homeserver.
    pub uuid: UserUuid,
    /// The homeserver where the user is registered.
    pub domain: Domain,
}

/// A client, which is one device of a user. Written as `<user's uuid>@<domain>/<client's uuid>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct ClientId {
    /// The user whose client it is.
    pub user_id: UserId,
    /// The client, among those of the user.
    pub uuid: ClientUuid,
}

/// A group, and the homeserver that owns it. Its encoding is the MLS group id, so that every MLS message
/// names the only homeserver that may deliver it. Written as `<uuid>@<domain>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct GroupId {
    /// The group, among those of the homeserver.
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
