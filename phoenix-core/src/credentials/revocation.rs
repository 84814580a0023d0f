//! PROTOCOL.md §4, Revocation — revocation: each signed by the credential's issuer, in a list whose number
//! only grows.

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

/// The most revocations in a list. A full list fits into the default size of a message.
pub const MAX_REVOCATIONS: usize = 6000;

/// What an issuer signs to revoke a credential.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct RevocationContent {
    /// The fingerprint of the revoked credential.
    pub fingerprint: Fingerprint,
    /// When it was revoked, for information: it counts as revoked at any time.
    pub revoked_at: Timestamp,
    /// When the credential would have expired. Lists that are made later may leave the entry out.
    pub expires: Timestamp,
    /// The fingerprint of the issuer of the revoked credential; for a root, its own.
    pub signer: Fingerprint,
}

impl Signable for RevocationContent {
    const LABEL: Label = Label::REVOCATION;
}

/// A revocation of a credential, signed by its issuer.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct Revocation {
    /// What is revoked.
    pub content: RevocationContent,
    /// The issuer's signature.
    pub signature: Signature,
}

impl Revocation {
    /// Signs the revocation. `key` has to be the key of the credential `content.signer`.
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
    /// Strictly ascending by fingerprint.
    pub entries: List<Revocation, MAX_REVOCATIONS>,
}

impl RevocationList {
    /// Makes the list with this number. Of several revocations of one credential, it holds the first.
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
