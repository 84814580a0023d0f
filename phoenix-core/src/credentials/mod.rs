//! PROTOCOL.md §4 — credentials, their revocation and the published key sets; all of it material to be
//! validated before use.
//!
//! The chain is [`AsCredential`] (root) → [`AsIntermediateCredential`] → [`ClientCredential`] →
//! [`LeafCredential`]. Each names its key's suite, is signed by its own key (proof of possession) and then by
//! its issuer, each level under labels of its own. Beside the chain are [`RevocationList`], and the sets that
//! each service publishes: [`AsCredentialSet`], [`QsKeySet`], [`DsKeySet`].
//!
//! Read the chain from the root down, then the sets, then [`validation`], which is the only door: what
//! arrives from outside becomes usable as one of its types, and nothing else constructs them.
//!
//! What holds: a credential is valid only within the validity of its issuer and of what its owner asked for;
//! revoking one takes down everything below it; revocations are never lost while they matter; and a leaf
//! credential shows nothing of its client to anyone without the attribution key.

mod authority;
mod client;
mod error;
mod issuing;
mod key_sets;
mod leaf;
mod revocation;
mod signed;
#[cfg(test)]
mod tests;
pub mod validation;

pub use authority::{
    AsCredential, AsCredentialPayload, AsIntermediateCredential, AsIntermediateCredentialPayload,
};
pub use client::{ClientCredential, ClientCredentialPayload, ClientCredentialRequest};
pub use error::ValidationError;
pub use key_sets::{
    AsCredentialSet, AsCredentialSetContent, DsKeySet, DsKeySetContent, KeyId, MAX_HPKE_KEYS,
    MAX_INTERMEDIATES, MAX_ROOTS, MAX_SET_VALIDITY, MAX_VERIFYING_KEYS, PublishedHpkeKey, PublishedKey,
    QsKeySet, QsKeySetContent, newest, newest_hpke,
};
pub use leaf::{LeafAttribution, LeafCredential, LeafCredentialPayload, MemberCredential};
pub use revocation::{MAX_REVOCATIONS, Revocation, RevocationContent, RevocationList};
pub use signed::{Fingerprint, Issued, IssuedContent, IssuedPayload, Payload, SelfSigned, Suite};
