//! PROTOCOL.md §8 — MLS as the delivery service and the clients use it: one ciphersuite, our own credential
//! type and extensions, and one strict way to read messages.

use openmls::prelude::{
    Capabilities, Ciphersuite, CredentialType, ExtensionType, LeafNode, MlsMessageBodyIn, MlsMessageIn,
    ProposalType, ProtocolVersion, VerifiableCiphersuite,
};
use tls_codec::{Deserialize, Serialize};

mod external_proposal;
mod group_info;
mod key_package;
mod message;
mod public_group;
mod roles;
mod signer;
mod staged;
mod storage;
mod view;

pub use external_proposal::ProposalError;
pub use group_info::{
    GroupInfoBytes, GroupInfoError, GroupInfoUpdate, MAX_GROUP_INFO_EXTENSIONS, SIGNATURE_LENGTH,
};
pub use key_package::{
    KeyPackageError, KeyPackageView, MAX_KEY_PACKAGE_LIFETIME_SECONDS, key_package_reference,
    validate_key_package,
};
pub use message::{
    ApplicationMessageError, ApplicationMessageView, check_application_message, message_group_id,
    welcome_references,
};
pub use public_group::{GroupState, MergeError, NotFresh, ValidationError, only_leaf_key};
pub use roles::Roles;
pub use staged::{
    AddView, CommitError, CommitSender, CommitSummary, CommittedProposal, ProposalKind, RemoveView,
    StagedChange,
};
pub use storage::StoredStateError;
pub use view::{ExternalSenderView, LeafError, LeafView, PendingProposal};

/// The one ciphersuite.
pub const CIPHERSUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;

/// The type of our leaf credentials, from MLS's range for private use.
pub const LEAF_CREDENTIAL_TYPE: u16 = 0xF101;

/// The key package extension that carries the sealed queue configuration.
pub const QUEUE_CONFIG_EXTENSION: u16 = 0xFF01;

/// The group context extension that names the admins by leaf identity.
pub const ROLES_EXTENSION: u16 = 0xFF02;

/// Bytes that are not the one encoding of an MLS object of the expected kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a well-formed MLS message of the expected kind")]
pub struct MalformedMessage;

/// What every leaf declares: our ciphersuite, extensions and credential type, and no others.
pub fn capabilities() -> Capabilities {
    Capabilities::new(
        Some(&[ProtocolVersion::Mls10]),
        Some(&[CIPHERSUITE]),
        Some(&[
            ExtensionType::Unknown(QUEUE_CONFIG_EXTENSION),
            ExtensionType::Unknown(ROLES_EXTENSION),
            ExtensionType::LastResort,
        ]),
        Some(&[ProposalType::SelfRemove]),
        Some(&[CredentialType::Other(LEAF_CREDENTIAL_TYPE)]),
    )
}

/// Whether `leaf` declares all of [`capabilities`]; it may declare more.
fn supports_ours(leaf: &LeafNode) -> bool {
    fn includes<T: PartialEq>(declared: &[T], required: &[T]) -> bool {
        required.iter().all(|item| declared.contains(item))
    }
    let (declared, required) = (leaf.capabilities(), capabilities());
    includes(declared.versions(), required.versions())
        && includes::<VerifiableCiphersuite>(declared.ciphersuites(), required.ciphersuites())
        && includes(declared.extensions(), required.extensions())
        && includes(declared.proposals(), required.proposals())
        && includes(declared.credentials(), required.credentials())
}

/// Reads exactly one `T`, in the one encoding that it would be written in.
///
/// Reads through a reader: openmls's other way, from a slice, panics on short input in debug builds.
fn read<T: Deserialize + Serialize>(mut bytes: &[u8]) -> Result<T, MalformedMessage> {
    let whole = bytes;
    let value = T::tls_deserialize(&mut bytes).map_err(|_| MalformedMessage)?;
    let canonical = value.tls_serialize_detached().map_err(|_| MalformedMessage)?;
    if bytes.is_empty() && canonical == whole { Ok(value) } else { Err(MalformedMessage) }
}

/// Reads an `MLSMessage` (RFC 9420 §6), refusing trailing bytes and every encoding but the shortest.
///
/// # Errors
/// [`MalformedMessage`]: the sender is at fault.
pub fn parse_message(bytes: &[u8]) -> Result<MlsMessageIn, MalformedMessage> {
    read(bytes)
}

/// As [`parse_message`], with the message's content, for a `match` on its kind.
fn parse_body(bytes: &[u8]) -> Result<MlsMessageBodyIn, MalformedMessage> {
    parse_message(bytes).map(MlsMessageIn::extract)
}

#[cfg(test)]
mod tests;
