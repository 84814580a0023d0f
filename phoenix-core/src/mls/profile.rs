//! PROTOCOL.md §8 — the part of MLS that groups here are made of: one ciphersuite, one type of credential, two
//! extensions.

use openmls::prelude::{
    Capabilities, Ciphersuite, CredentialType, ExtensionType, LeafNode, ProposalType, ProtocolVersion,
    VerifiableCiphersuite,
};

/// The one ciphersuite.
pub const CIPHERSUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;

/// The type of our leaf credentials, from MLS's range for private use.
pub const LEAF_CREDENTIAL_TYPE: u16 = 0xF101;

/// The key package extension that carries the sealed queue configuration.
pub const QUEUE_CONFIG_EXTENSION: u16 = 0xFF01;

/// The group context extension that names the admins by leaf identity.
pub const ROLES_EXTENSION: u16 = 0xFF02;

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
pub(super) fn supports_ours(leaf: &LeafNode) -> bool {
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
