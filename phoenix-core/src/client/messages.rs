//! PROTOCOL.md §6–§8 — what clients say to each other, encrypted, in fields that homeservers cannot read.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::ClientError;
use crate::{
    codec::{Bytes, decode, encode},
    credentials::{ClientCredential, LeafCredential, MemberCredential},
    crypto::{
        aead::{EarCiphertext, EarKey},
        labels::Label,
        sign::{Signable, Signature},
    },
    identifiers::{ClientId, GroupId, LeafIdentity, QsUserId},
    limits::MAX_MLS_MESSAGE,
    rng::Random,
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

/// Decodes a leaf's credential from the content that MLS carries.
pub(super) fn leaf_credential(content: &[u8]) -> Result<LeafCredential, ClientError> {
    Ok(decode(content)?)
}

/// Encrypts a member's credential for the other members.
pub(super) fn seal_credential(
    random: &mut Random,
    key: &EarKey,
    group: &GroupId,
    identity: &LeafIdentity,
    credential: &MemberCredential,
) -> Result<EarCiphertext, ClientError> {
    Ok(key.seal(random, &member_credential_binding(group, identity), &encode(credential))?)
}

/// Decrypts a member's credential.
pub(super) fn open_credential(
    key: &EarKey,
    group: &GroupId,
    identity: &LeafIdentity,
    sealed: &EarCiphertext,
) -> Result<MemberCredential, ClientError> {
    Ok(decode(&key.open(&member_credential_binding(group, identity), sealed)?)?)
}

/// What a member's credential is bound to, encrypted for the other members.
fn member_credential_binding(group: &GroupId, identity: &LeafIdentity) -> Vec<u8> {
    binding("member credential", &[&encode(group), &identity.0])
}

/// What the credential in an [`AddPackage`](crate::wire::queuing_service::AddPackage) is bound to.
pub(super) fn add_package_binding(identity: &LeafIdentity) -> Vec<u8> {
    binding("add package", &[&identity.0])
}

/// What a sealed [`ConnectionRequest`] is bound to.
pub(super) fn connection_request_binding(recipient: &ClientId) -> Vec<u8> {
    binding("connection request", &[&encode(recipient)])
}

/// What the [`FriendshipPackage`] in an external commit is bound to.
pub(super) fn friendship_package_binding(group: &GroupId) -> Vec<u8> {
    binding("friendship package", &[&encode(group)])
}

/// What a [`WelcomeAttribution`] is bound to.
pub(super) fn welcome_attribution_binding(group: &GroupId) -> Vec<u8> {
    binding("welcome attribution", &[&encode(group)])
}

/// Associated data that ties a ciphertext to one purpose and the names in `parts`: each with its length before
/// it, so that no two lists have the same bytes.
fn binding(purpose: &str, parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in std::iter::once(purpose.as_bytes()).chain(parts.iter().copied()) {
        bytes.extend((part.len() as u64).to_be_bytes());
        bytes.extend(part);
    }
    bytes
}
