//! PROTOCOL.md §4, Authorities — the authentication service's own credentials: offline roots and the
//! intermediates that sign for clients.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::{
    error::ValidationError,
    signed::{Issued, IssuedPayload, Issuer, Payload, SelfSigned, Suite},
};
use crate::{
    crypto::{
        labels::Label,
        sign::{Signable, SigningKey, VerifyingKey},
    },
    identifiers::Domain,
    time::ExpirationData,
};

/// What a root says of itself.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct AsCredentialPayload {
    /// The algorithms that the key is for.
    pub suite: Suite,
    /// The homeserver's domain.
    pub domain: Domain,
    /// The root's key.
    pub verifying_key: VerifyingKey,
    /// When the root is valid.
    pub expiration: ExpirationData,
}

impl Signable for AsCredentialPayload {
    const LABEL: Label = Label::AS_CREDENTIAL_SELF;
}

impl Payload for AsCredentialPayload {
    fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying_key
    }

    fn expiration(&self) -> &ExpirationData {
        &self.expiration
    }
}

/// A root credential, which only its own key signs. That key is kept offline.
pub type AsCredential = SelfSigned<AsCredentialPayload>;

impl AsCredential {
    /// Makes the root credential of `domain` for `key`.
    pub fn create(key: &SigningKey, domain: Domain, expiration: ExpirationData) -> Self {
        let payload = AsCredentialPayload {
            suite: Suite::Ed25519Sha256Aes128GcmX25519,
            domain,
            verifying_key: key.verifying_key(),
            expiration,
        };
        Self::sign(payload, key)
    }

    pub(super) fn as_issuer(&self) -> Issuer<'_> {
        Issuer {
            fingerprint: self.fingerprint(),
            verifying_key: &self.payload.verifying_key,
            expiration: &self.payload.expiration,
        }
    }
}

/// What an intermediate says of itself.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct AsIntermediateCredentialPayload {
    /// The algorithms that the key is for.
    pub suite: Suite,
    /// The homeserver's domain.
    pub domain: Domain,
    /// The intermediate's key.
    pub verifying_key: VerifyingKey,
    /// The validity for which it asks.
    pub expiration: ExpirationData,
}

impl Signable for AsIntermediateCredentialPayload {
    const LABEL: Label = Label::AS_INTERMEDIATE_SELF;
}

impl Payload for AsIntermediateCredentialPayload {
    fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying_key
    }

    fn expiration(&self) -> &ExpirationData {
        &self.expiration
    }
}

impl IssuedPayload for AsIntermediateCredentialPayload {
    const ISSUED_LABEL: Label = Label::AS_INTERMEDIATE_CREDENTIAL;
}

/// An intermediate credential: a root signs it, and its key signs client credentials.
pub type AsIntermediateCredential = Issued<AsIntermediateCredentialPayload>;

impl AsIntermediateCredential {
    /// Issues the intermediate credential for `key`, in the root's domain. Its validity is `expiration`,
    /// clipped to the root's.
    ///
    /// # Errors
    /// [`ValidationError::UnknownSigner`] if `root_key` is not the key of `root`,
    /// [`ValidationError::OutsideSignersValidity`] if `expiration` and the root's do not overlap.
    pub fn create(
        key: &SigningKey,
        root_key: &SigningKey,
        root: &AsCredential,
        expiration: ExpirationData,
    ) -> Result<Self, ValidationError> {
        let payload = AsIntermediateCredentialPayload {
            suite: Suite::Ed25519Sha256Aes128GcmX25519,
            domain: root.payload.domain.clone(),
            verifying_key: key.verifying_key(),
            expiration,
        };
        Self::grant(SelfSigned::sign(payload, key), root_key, root.as_issuer(), &expiration)
    }

    pub(super) fn as_issuer(&self) -> Issuer<'_> {
        Issuer {
            fingerprint: self.fingerprint(),
            verifying_key: self.verifying_key(),
            expiration: self.expiration(),
        }
    }
}
