//! PROTOCOL.md §4, Leaves — leaf credentials: pseudonymous, with the client's signature readable only to
//! members.
//!
//! The fingerprint of the client credential would link the leaf to the user as well as the signature would,
//! so both are encrypted together.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::{
    client::ClientCredential,
    error::ValidationError,
    signed::{Fingerprint, Payload, SelfSigned, Suite},
};
use crate::{
    codec::{decode, encode},
    crypto::{
        aead::{AEAD_TAG_LENGTH, EarCiphertext, EarKey},
        labels::Label,
        sign::{Signable, Signature, SigningKey, VerifyingKey},
    },
    identifiers::LeafIdentity,
    rng::Random,
    time::{ExpirationData, Timestamp},
};

/// What a leaf says of itself.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct LeafCredentialPayload {
    /// The algorithms that the key is for.
    pub suite: Suite,
    /// The leaf's pseudonym, unique in its group.
    pub identity: LeafIdentity,
    /// The leaf's key.
    pub verifying_key: VerifyingKey,
    /// When the leaf is valid.
    pub expiration: ExpirationData,
}

impl Signable for LeafCredentialPayload {
    const LABEL: Label = Label::LEAF_CREDENTIAL_SELF;
}

impl Payload for LeafCredentialPayload {
    fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying_key
    }

    fn expiration(&self) -> &ExpirationData {
        &self.expiration
    }
}

/// What the client signs: the leaf, and by which credential.
#[derive(TlsSize, TlsSerialize)]
struct AttributedLeaf {
    leaf: SelfSigned<LeafCredentialPayload>,
    signer: Fingerprint,
}

impl Signable for AttributedLeaf {
    const LABEL: Label = Label::LEAF_CREDENTIAL;
}

/// The proof whose leaf it is.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct LeafAttribution {
    /// The fingerprint of the client's credential.
    pub signer: Fingerprint,
    /// The client's signature over the leaf.
    pub signature: Signature,
}

/// Length of an encrypted [`LeafAttribution`] in bytes. There is only this one, so the length tells nothing
/// and nothing else fits in.
const ENCRYPTED_ATTRIBUTION_LENGTH: usize = 32 + 64 + AEAD_TAG_LENGTH;

/// The credential of one leaf in one group.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct LeafCredential {
    /// The pseudonym, with the proof of possession of its key.
    pub leaf: SelfSigned<LeafCredentialPayload>,
    /// The [`LeafAttribution`], encrypted under the attribution key.
    pub encrypted_attribution: EarCiphertext,
}

impl LeafCredential {
    /// Makes a credential for `leaf_key`, signed by the client.
    ///
    /// Where `expiration` exceeds the client credential's, it is clipped to the last full hour within, since
    /// the exact time would tell whose leaf it is.
    ///
    /// # Errors
    /// [`ValidationError::UnknownSigner`] if `client_key` is not the key of `client_credential`,
    /// [`ValidationError::OutsideSignersValidity`] if no validity is left.
    pub fn create(
        random: &mut Random,
        leaf_key: &SigningKey,
        client_key: &SigningKey,
        client_credential: &ClientCredential,
        attribution_key: &EarKey,
        identity: LeafIdentity,
        expiration: ExpirationData,
    ) -> Result<Self, ValidationError> {
        if client_key.verifying_key() != *client_credential.verifying_key() {
            return Err(ValidationError::UnknownSigner);
        }
        let payload = LeafCredentialPayload {
            suite: Suite::Ed25519Sha256Aes128GcmX25519,
            identity,
            verifying_key: leaf_key.verifying_key(),
            expiration: clip(&expiration, client_credential.expiration())?,
        };
        let leaf = SelfSigned::sign(payload, leaf_key);
        let signer = client_credential.fingerprint();
        let signature = client_key.sign(&AttributedLeaf { leaf: leaf.clone(), signer });
        let attribution = encode(&LeafAttribution { signer, signature });
        let encrypted_attribution = attribution_key
            .seal(random, &encode(&leaf), &attribution)
            .map_err(|_| ValidationError::TooMany)?;
        Ok(Self { leaf, encrypted_attribution })
    }

    /// Decrypts the claim whose leaf it is, which
    /// [`validate_leaf_credential`](super::validation::validate_leaf_credential) checks.
    ///
    /// # Errors
    /// [`ValidationError::Undecryptable`] if `key` is another, or the attribution another leaf's.
    pub fn attribution(&self, key: &EarKey) -> Result<LeafAttribution, ValidationError> {
        let opened = key
            .open(&encode(&self.leaf), &self.encrypted_attribution)
            .map_err(|_| ValidationError::Undecryptable)?;
        decode(&opened).map_err(|_| ValidationError::Undecryptable)
    }

    pub(super) fn check_length(&self) -> Result<(), ValidationError> {
        if self.encrypted_attribution.ciphertext.as_slice().len() == ENCRYPTED_ATTRIBUTION_LENGTH {
            Ok(())
        } else {
            Err(ValidationError::Undecryptable)
        }
    }

    pub(super) fn verify_attribution(
        &self,
        attribution: &LeafAttribution,
        key: &VerifyingKey,
    ) -> Result<(), ValidationError> {
        let content = AttributedLeaf { leaf: self.leaf.clone(), signer: attribution.signer };
        key.verify(&content, &attribution.signature).map_err(|_| ValidationError::BadSignature)
    }
}

fn clip(asked: &ExpirationData, signers: &ExpirationData) -> Result<ExpirationData, ValidationError> {
    const HOUR: u64 = 3_600_000;
    let mut clipped = *asked;
    if clipped.not_before < signers.not_before {
        let hours = signers.not_before.milliseconds().div_ceil(HOUR);
        clipped.not_before = Timestamp::from_milliseconds(hours.saturating_mul(HOUR));
    }
    if clipped.not_after > signers.not_after {
        let hours = signers.not_after.milliseconds() / HOUR;
        clipped.not_after = Timestamp::from_milliseconds(hours * HOUR);
    }
    if clipped.not_before <= clipped.not_after && signers.encloses(&clipped) {
        Ok(clipped)
    } else {
        Err(ValidationError::OutsideSignersValidity)
    }
}

/// What the members of a group learn of a member, encrypted: its client's credential, and the key that shows
/// that the leaf is that client's.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct MemberCredential {
    /// The client's credential.
    pub client_credential: ClientCredential,
    /// Decrypts the attribution in the member's leaf credential.
    pub attribution_key: EarKey,
}
