//! PROTOCOL.md §4 — revocation: each signed by the credential's issuer, in a list whose number only grows.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::{error::ValidationError, signed::Fingerprint};
use crate::{
    codec::List,
    crypto::{
        labels::Label,
        sign::{InvalidSignature, Signable, Signature, SigningKey, VerifyingKey},
    },
    time::Timestamp,
};

/// How many revocations a list can hold (a full list stays below the default message size).
pub const MAX_REVOCATIONS: usize = 6000;

/// What a revocation says.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct RevocationContent {
    /// The revoked credential.
    pub fingerprint: Fingerprint,
    /// When it was revoked. It counts as revoked whatever this says.
    pub revoked_at: Timestamp,
    /// When the credential would have expired; after that the list can do without this entry.
    pub expires: Timestamp,
    /// The issuer of the revoked credential; for a root, the root itself.
    pub signer: Fingerprint,
}

impl Signable for RevocationContent {
    const LABEL: Label = Label::REVOCATION;
}

/// The issuer's word that a credential is no longer good.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct Revocation {
    /// What is said.
    pub content: RevocationContent,
    /// By the issuer.
    pub signature: Signature,
}

impl Revocation {
    /// Revokes; `key` is the key of the credential `content.signer`.
    pub fn create(key: &SigningKey, content: RevocationContent) -> Self {
        let signature = key.sign(&content);
        Self { content, signature }
    }

    pub(super) fn verify(&self, key: &VerifyingKey) -> Result<(), InvalidSignature> {
        key.verify(&self.content, &self.signature)
    }
}

/// The revocations in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct RevocationList {
    /// Grows with every change of the list, and never falls.
    pub number: u64,
    /// Ascending by fingerprint, no two alike.
    pub entries: List<Revocation, MAX_REVOCATIONS>,
}

impl RevocationList {
    /// The list with this number; repetitions are left out, the first one stays.
    ///
    /// # Errors
    /// [`ValidationError::TooMany`] if there are more than [`MAX_REVOCATIONS`].
    pub fn create(number: u64, mut entries: Vec<Revocation>) -> Result<Self, ValidationError> {
        entries.sort_by_key(|entry| entry.content.fingerprint);
        entries.dedup_by_key(|entry| entry.content.fingerprint);
        Ok(Self { number, entries: List::new(entries).map_err(|_| ValidationError::TooMany)? })
    }

    /// The revocation of this credential, if there is one.
    pub fn find(&self, fingerprint: &Fingerprint) -> Option<&Revocation> {
        let found = self.entries.binary_search_by_key(fingerprint, |entry| entry.content.fingerprint);
        found.ok().and_then(|index| self.entries.get(index))
    }

    pub(super) fn is_ascending(&self) -> bool {
        self.entries.is_sorted_by(|left, right| left.content.fingerprint < right.content.fingerprint)
    }
}
