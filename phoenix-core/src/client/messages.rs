//! PROTOCOL.md §11.2 — messages between clients, encrypted in fields that homeservers cannot read.
//!
//! Each ciphertext is bound to its purpose and to the names that belong to it (PROTOCOL.md §3.5, §3.6): a
//! homeserver that puts one in the place of another has it refused.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::error::ClientError;
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

/// What a user gives its contacts so that they can add it to groups.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct FriendshipPackage {
    /// The user's pseudonym at its queuing service.
    pub user: QsUserId,
    /// Authorises fetching the user's key packages.
    pub token: FriendshipToken,
    /// Decrypts the credentials in key packages, and encrypts Welcome attributions for the user.
    pub key: EarKey,
}

/// The part of a [`ConnectionRequest`] that is signed.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct ConnectionRequestContent {
    /// The requester.
    pub sender: ClientCredential,
    /// The client that is asked. A request to another client is refused.
    pub recipient: ClientId,
    /// The group that the recipient joins by accepting.
    pub group_id: GroupId,
    /// Opens the group's state at its delivery service.
    pub group_key: EarKey,
    /// Decrypts the credentials of its members.
    pub credential_key: EarKey,
    /// The sender's friendship package.
    pub friendship: FriendshipPackage,
}

impl Signable for ConnectionRequestContent {
    const LABEL: Label = Label::CONNECTION_ESTABLISHMENT;
}

/// A request for a connection.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct ConnectionRequest {
    /// The signed part.
    pub content: ConnectionRequestContent,
    /// Over [`ConnectionRequest::content`], by the key of the sender's credential.
    pub signature: Signature,
}

/// The keys that a joiner needs, and who sends them.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct Invitation {
    /// The member that adds the joiner.
    pub inviter: ClientId,
    /// The group to join.
    pub group_id: GroupId,
    /// Opens the group's state at its delivery service.
    pub group_key: EarKey,
    /// Decrypts the credentials of its members.
    pub credential_key: EarKey,
}

/// What the inviter signs: its invitation together with the Welcome.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct AttributedWelcome {
    /// The keys and the inviter.
    pub invitation: Invitation,
    /// The encoded MLS message.
    pub welcome: Bytes<MAX_MLS_MESSAGE>,
}

impl Signable for AttributedWelcome {
    const LABEL: Label = Label::WELCOME_ATTRIBUTION;
}

/// What a joiner gets with its Welcome, encrypted under its friendship key.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct WelcomeAttribution {
    /// The keys and the inviter.
    pub invitation: Invitation,
    /// Over the [`AttributedWelcome`], by the key of the inviter's credential.
    pub signature: Signature,
}

/// Decodes a leaf's credential from the content that MLS carries.
pub(crate) fn leaf_credential(content: &[u8]) -> Result<LeafCredential, ClientError> {
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

/// Returns what a member's credential is bound to when it is encrypted for the other members.
fn member_credential_binding(group: &GroupId, identity: &LeafIdentity) -> Vec<u8> {
    binding("member credential", &[&encode(group), &identity.0])
}

/// Returns what the credential in an [`AddPackage`](crate::wire::queuing_service::AddPackage) is bound to.
pub(super) fn add_package_binding(identity: &LeafIdentity) -> Vec<u8> {
    binding("add package", &[&identity.0])
}

/// Returns what a sealed [`ConnectionRequest`] is bound to.
pub(super) fn connection_request_binding(recipient: &ClientId) -> Vec<u8> {
    binding("connection request", &[&encode(recipient)])
}

/// Returns what the [`FriendshipPackage`] in an external commit is bound to.
pub(super) fn friendship_package_binding(group: &GroupId) -> Vec<u8> {
    binding("friendship package", &[&encode(group)])
}

/// Returns what a [`WelcomeAttribution`] is bound to.
pub(super) fn welcome_attribution_binding(group: &GroupId) -> Vec<u8> {
    binding("welcome attribution", &[&encode(group)])
}

/// Returns associated data that binds a ciphertext to one purpose and to the names in `parts`. Each part has
/// its length in front, so that no two lists have the same bytes.
fn binding(purpose: &str, parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in std::iter::once(purpose.as_bytes()).chain(parts.iter().copied()) {
        bytes.extend((part.len() as u64).to_be_bytes());
        bytes.extend(part);
    }
    bytes
}
