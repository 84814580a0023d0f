//! PROTOCOL.md §6–§8 — what clients say to each other, encrypted, in fields that homeservers cannot read.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    codec::Bytes,
    credentials::ClientCredential,
    crypto::{
        aead::EarKey,
        labels::Label,
        sign::{Signable, Signature},
    },
    identifiers::{ClientId, GroupId, QsUserId},
    limits::MAX_MLS_MESSAGE,
    wire::queuing_service::FriendshipToken,
};

/// What a user gives its contacts, so that they can add it to groups.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct FriendshipPackage {
    /// The user's pseudonym at its queuing service.
    pub user: QsUserId,
    /// Fetches key packages.
    pub token: FriendshipToken,
    /// Opens the credentials in them, and seals attributions to the user.
    pub key: EarKey,
}

/// A request for a connection, as it is signed.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct ConnectionRequestContent {
    /// Who asks.
    pub sender: ClientCredential,
    /// Who is asked: the request is worth nothing for anybody else.
    pub recipient: ClientId,
    /// The group that accepting means to join.
    pub group_id: GroupId,
    /// Opens the group's state.
    pub group_key: EarKey,
    /// Opens the credentials of its members.
    pub credential_key: EarKey,
    /// The sender's.
    pub friendship: FriendshipPackage,
}

impl Signable for ConnectionRequestContent {
    const LABEL: Label = Label::CONNECTION_ESTABLISHMENT;
}

/// A request for a connection (the specification's ConnectionEstablishmentPackage).
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct ConnectionRequest {
    /// What is signed.
    pub content: ConnectionRequestContent,
    /// With the key of the sender's credential.
    pub signature: Signature,
}

/// The keys that a joiner needs, and who vouches for them.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Invitation {
    /// Who invites.
    pub inviter: ClientId,
    /// The group.
    pub group_id: GroupId,
    /// Opens the group's state.
    pub group_key: EarKey,
    /// Opens the credentials of its members.
    pub credential_key: EarKey,
}

/// An invitation and the Welcome that it belongs to, as they are signed.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct AttributedWelcome {
    /// The invitation.
    pub invitation: Invitation,
    /// The MLS Welcome.
    pub welcome: Bytes<MAX_MLS_MESSAGE>,
}

impl Signable for AttributedWelcome {
    const LABEL: Label = Label::WELCOME_ATTRIBUTION;
}

/// What the joiner finds beside its Welcome.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct WelcomeAttribution {
    /// The invitation.
    pub invitation: Invitation,
    /// Over [`AttributedWelcome`], with the key of the inviter's credential.
    pub signature: Signature,
}

/// Associated data that ties a ciphertext to one purpose and the names in `parts`.
pub(super) fn associated(purpose: &str, parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in std::iter::once(purpose.as_bytes()).chain(parts.iter().copied()) {
        bytes.extend((part.len() as u64).to_be_bytes());
        bytes.extend(part);
    }
    bytes
}
