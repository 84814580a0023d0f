//! PROTOCOL.md §8, MLS profile — the part of MLS that groups here are made of: one ciphersuite, one type of
//! credential, two extensions.

use openmls::prelude::{
    Capabilities, Ciphersuite, CredentialType, ExtensionType, LeafNode, ProposalType, ProtocolVersion,
    VerifiableCiphersuite,
};

/// The one ciphersuite: number 1 in MLS.
pub const CIPHERSUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;

/// The type of leaf credentials, from MLS's range for private use. The credential's content is an encoded
/// [`LeafCredential`](crate::credentials::LeafCredential).
pub const LEAF_CREDENTIAL_TYPE: u16 = 0xF101;

/// The key package extension that carries the queue configuration, sealed to the owner's queuing service.
pub const QUEUE_CONFIG_EXTENSION: u16 = 0xFF01;

/// The group context extension that names the admins: encoded [`Roles`](super::Roles).
pub const ROLES_EXTENSION: u16 = 0xFF02;

/// What every leaf declares at least: the ciphersuite, extensions, proposals and credential type that groups
/// here use. Clients here declare exactly this.
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

/// Whether `leaf` declares all of [`capabilities`]. It may declare more.
pub(super) fn supports_profile(leaf: &LeafNode) -> bool {
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
