//! PROTOCOL.md §4, Chain — what all credentials have in common: a payload signed by its own key, then by its
//! issuer.

use std::fmt;

use tls_codec::{Serialize, TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::error::ValidationError;
use crate::{
    codec::{Codec, encode},
    crypto::{
        kdf,
        labels::Label,
        sign::{InvalidSignature, Signable, Signature, SigningKey, VerifyingKey},
    },
    hex::Hex,
    time::ExpirationData,
};

/// The algorithms that a key is for. Encoded as its number, 2 bytes.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, TlsSize, TlsSerialize, TlsDeserializeBytes,
)]
#[repr(u16)]
pub enum Suite {
    /// Ed25519, SHA-256, AES-128-GCM and X25519: the only one.
    Ed25519Sha256Aes128GcmX25519 = 1,
}

/// Names a credential: the hash of its whole encoding, under the label `FINGERPRINT`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    fn of(credential: &impl Serialize) -> Self {
        Self(kdf::hash(Label::FINGERPRINT, &[&encode(credential)]))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(formatter)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Fingerprint({self})")
    }
}

/// What a credential says of its owner. Its label as [`Signable`] is that of the proof of possession.
pub trait Payload: Codec + Signable + Clone {
    /// The owner's key.
    fn verifying_key(&self) -> &VerifyingKey;

    /// The validity for which the owner asks.
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
    /// What the credential says of its owner.
    pub payload: P,
    /// The signature by the payload's own key.
    pub signature: Signature,
}

impl<P: Payload> SelfSigned<P> {
    /// Signs `payload`, which has to name the public half of `key`.
    pub fn sign(payload: P, key: &SigningKey) -> Self {
        let signature = key.sign(&payload);
        Self { payload, signature }
    }

    /// The fingerprint of a credential that has no issuer, or of a request for one.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self)
    }

    pub(super) fn verify_self(&self) -> Result<(), InvalidSignature> {
        self.payload.verifying_key().verify(&self.payload, &self.signature)
    }
}

/// What an issuer signs: the whole request, and what is granted.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct IssuedContent<P: IssuedPayload> {
    /// The request, signed by the owner.
    pub request: SelfSigned<P>,
    /// The fingerprint of the issuer's credential.
    pub signer: Fingerprint,
    /// The validity that is granted: within the one asked for, and within the issuer's own.
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
    /// The issuer's signature.
    pub signature: Signature,
}

impl<P: IssuedPayload> Issued<P> {
    /// Issues a credential. Its validity is the part of `expiration` that lies within the one asked for and
    /// within the issuer's own.
    pub(super) fn grant(
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

    /// The credential's fingerprint.
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

    /// The fingerprint of the issuer's credential.
    pub fn signer(&self) -> &Fingerprint {
        &self.content.signer
    }
}

/// What issuing and checking a credential needs to know of the issuer.
pub(super) struct Issuer<'a> {
    pub(super) fingerprint: Fingerprint,
    pub(super) verifying_key: &'a VerifyingKey,
    pub(super) expiration: &'a ExpirationData,
}
