//! protocol.md §4 — credentials, their revocation and the published key sets; all of it material to be
//! validated before use.
//!
//! The chain is [`AsCredential`] (root) → [`AsIntermediateCredential`] → [`ClientCredential`] →
//! [`LeafCredential`]. Each names its key's suite, is signed by its own key (proof of possession) and then by
//! its issuer, each level under labels of its own. What arrives from outside becomes usable only through
//! [`validation`].

mod authority;
mod client;
mod key_sets;
mod leaf;
mod revocation;
#[cfg(test)]
mod tests;
pub mod validation;

use std::{fmt, time::Duration};

use tls_codec::{Serialize, TlsDeserializeBytes, TlsSerialize, TlsSize};

pub use authority::{
    AsCredential, AsCredentialPayload, AsIntermediateCredential, AsIntermediateCredentialPayload,
};
pub use client::{ClientCredential, ClientCredentialPayload, ClientCredentialRequest};
pub use key_sets::{
    AsCredentialSet, AsCredentialSetContent, DsKeySet, DsKeySetContent, KeyId, MAX_HPKE_KEYS,
    MAX_INTERMEDIATES, MAX_ROOTS, MAX_VERIFYING_KEYS, PublishedHpkeKey, PublishedKey, QsKeySet,
    QsKeySetContent, newest, newest_hpke,
};
pub use leaf::{LeafAttribution, LeafCredential, LeafCredentialPayload, MemberCredential};
pub use revocation::{MAX_REVOCATIONS, Revocation, RevocationContent, RevocationList};
pub use validation::ValidationError;

use crate::{
    codec::{Codec, encode},
    crypto::{
        kdf,
        labels::Label,
        sign::{InvalidSignature, Signable, Signature, SigningKey, VerifyingKey},
    },
    identifiers::HexId,
    time::{DAY, ExpirationData, MINUTE},
};

/// How long a published set may be valid, at most (protocol.md §9).
pub const MAX_SET_VALIDITY: Duration = DAY.saturating_mul(7);

/// How far a publisher's clock may run ahead of ours.
pub const CLOCK_TOLERANCE: Duration = MINUTE.saturating_mul(5);

/// The algorithms a key is for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, TlsSize, TlsSerialize, TlsDeserializeBytes,
)]
#[repr(u16)]
pub enum Suite {
    /// Ed25519, SHA-256, AES-128-GCM, X25519.
    Ed25519Sha256Aes128GcmX25519 = 1,
}

/// Names a credential: the hash of all of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    fn of(credential: &impl Serialize) -> Self {
        Self(kdf::hash(Label::FINGERPRINT, &[&encode(credential)]))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        HexId(&self.0).fmt(formatter)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Fingerprint({self})")
    }
}

/// What a credential says of its owner; its own label is that of the proof of possession.
pub trait Payload: Codec + Signable + Clone {
    /// The owner's key.
    fn verifying_key(&self) -> &VerifyingKey;

    /// The validity that the owner asks for.
    fn expiration(&self) -> &ExpirationData;
}

/// The payload of a credential that is signed by an issuer.
pub trait IssuedPayload: Payload {
    /// The label of the issuer's signature.
    const ISSUED_LABEL: Label;
}

/// A payload and the proof that its author holds the private key.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct SelfSigned<P: Payload> {
    /// What is said.
    pub payload: P,
    /// By the payload's own key.
    pub signature: Signature,
}

impl<P: Payload> SelfSigned<P> {
    /// Signs `payload`, which must name the public half of `key`.
    pub fn sign(payload: P, key: &SigningKey) -> Self {
        let signature = key.sign(&payload);
        Self { payload, signature }
    }

    /// The name of a credential that has no issuer, and of a request for one.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self)
    }

    fn verify_self(&self) -> Result<(), InvalidSignature> {
        self.payload.verifying_key().verify(&self.payload, &self.signature)
    }
}

/// What an issuer signs.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct IssuedContent<P: IssuedPayload> {
    /// What the owner signed.
    pub request: SelfSigned<P>,
    /// The issuer's credential.
    pub signer: Fingerprint,
    /// The validity granted: within the one asked for, and within the issuer's own.
    pub expiration: ExpirationData,
}

impl<P: IssuedPayload> Signable for IssuedContent<P> {
    const LABEL: Label = P::ISSUED_LABEL;
}

/// A credential signed by its issuer.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct Issued<P: IssuedPayload> {
    /// What the issuer signed.
    pub content: IssuedContent<P>,
    /// By the issuer.
    pub signature: Signature,
}

impl<P: IssuedPayload> Issued<P> {
    /// Issues a credential, its validity clipped to what the owner asked for and to the issuer's own.
    fn grant(
        request: SelfSigned<P>,
        key: &SigningKey,
        issuer: Issuer<'_>,
        expiration: &ExpirationData,
    ) -> Result<Self, ValidationError> {
        if key.verifying_key() != *issuer.verifying_key {
            return Err(ValidationError::UnknownSigner);
        }
        let expiration =
            expiration.intersection(request.payload.expiration()).intersection(issuer.expiration);
        if expiration.not_before > expiration.not_after {
            return Err(ValidationError::OutsideSignersValidity);
        }
        let content = IssuedContent { request, signer: issuer.fingerprint, expiration };
        let signature = key.sign(&content);
        Ok(Self { content, signature })
    }

    /// The credential's name.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self)
    }

    /// What the credential says of its owner.
    pub fn payload(&self) -> &P {
        &self.content.request.payload
    }

    /// The owner's key.
    pub fn verifying_key(&self) -> &VerifyingKey {
        self.payload().verifying_key()
    }

    /// When the credential is valid.
    pub fn expiration(&self) -> &ExpirationData {
        &self.content.expiration
    }

    /// The issuer's credential.
    pub fn signer(&self) -> &Fingerprint {
        &self.content.signer
    }
}

/// What issuing and checking a credential needs to know of the issuer.
struct Issuer<'a> {
    fingerprint: Fingerprint,
    verifying_key: &'a VerifyingKey,
    expiration: &'a ExpirationData,
}
