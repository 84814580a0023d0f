//! PROTOCOL.md §4 — validation: one entry point per kind of material, each returning a type that nothing
//! else can construct, or the precise reason.

mod authorities;
mod services;

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

pub use authorities::{ValidatedAsCredentials, validate_as_credential_set};
pub use services::{ValidatedDsKeys, ValidatedQsKeys, validate_ds_key_set, validate_qs_key_set};

use super::{
    CLOCK_TOLERANCE, ClientCredential, ClientCredentialRequest, Fingerprint, Issued, IssuedPayload, Issuer,
    LeafCredential, LeafCredentialPayload, MAX_SET_VALIDITY, Payload, SelfSigned,
};
use crate::{
    crypto::{aead::EarKey, sign::VerifyingKey},
    identifiers::{ClientId, Domain},
    time::{ExpirationData, Timestamp},
};

/// Why key material is refused.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    thiserror::Error,
    TlsSize,
    TlsSerialize,
    TlsDeserializeBytes,
)]
#[repr(u8)]
pub enum ValidationError {
    /// It belongs to another homeserver.
    #[error("belongs to another homeserver")]
    WrongDomain = 1,
    /// A key or credential is past its validity. Its owner has to renew it.
    #[error("no longer valid")]
    Expired = 2,
    /// A key, credential or set is not valid yet. One of the clocks may be wrong.
    #[error("not yet valid")]
    NotYetValid = 3,
    /// The set is past its validity. It has to be fetched again.
    #[error("the set is no longer valid")]
    SetExpired = 4,
    /// The set claims to be valid for longer than a set may be.
    #[error("the set is valid for too long")]
    ValidTooLong = 5,
    /// No proof that the key is held.
    #[error("the proof of possession is not valid")]
    BadSelfSignature = 6,
    /// The signer is not among those that may sign this.
    #[error("the signer is not known")]
    UnknownSigner = 7,
    /// The signer did not sign this.
    #[error("the signature is not valid")]
    BadSignature = 8,
    /// Valid at a time at which its signer is not, or its owner did not ask for.
    #[error("valid outside the validity of its signer")]
    OutsideSignersValidity = 9,
    /// The credential, or one above it, is revoked.
    #[error("revoked")]
    Revoked = 10,
    /// The material contradicts itself or what was published before.
    #[error("contradicts itself")]
    Contradiction = 11,
    /// Revocations that were in force are missing.
    #[error("revocations are missing")]
    RevocationListShrank = 12,
    /// Something that there must be at least one of is missing.
    #[error("holds nothing of use")]
    Empty = 13,
    /// More than the format can hold.
    #[error("holds too many entries")]
    TooMany = 14,
    /// The attribution of a leaf cannot be read with the key given.
    #[error("the attribution cannot be decrypted")]
    Undecryptable = 15,
}

/// Checks a client's request for a credential of `domain`.
///
/// # Errors
/// The reason why it is refused; the client is at fault.
pub fn validate_client_credential_request(
    request: &ClientCredentialRequest,
    domain: &Domain,
    now: Timestamp,
) -> Result<ValidatedClientCredentialRequest, ValidationError> {
    if request.payload.client_id.user_id.domain != *domain {
        return Err(ValidationError::WrongDomain);
    }
    check_time(&request.payload.expiration, now)?;
    check_possession(request)?;
    Ok(ValidatedClientCredentialRequest { request: request.clone() })
}

/// Checks a client's credential against the credentials of its authentication service.
///
/// # Errors
/// [`ValidationError::SetExpired`] if `authorities` are out of date, otherwise what is wrong with the
/// credential.
pub fn validate_client_credential(
    credential: &ClientCredential,
    authorities: &ValidatedAsCredentials,
    now: Timestamp,
) -> Result<ValidatedClientCredential, ValidationError> {
    if authorities.valid_until() < now {
        return Err(ValidationError::SetExpired);
    }
    if credential.client_id().user_id.domain != *authorities.domain() {
        return Err(ValidationError::WrongDomain);
    }
    let intermediate = authorities.intermediate(credential.signer()).ok_or(ValidationError::UnknownSigner)?;
    let fingerprint = credential.fingerprint();
    if authorities.is_revoked(credential.signer())
        || authorities.is_revoked_by(&fingerprint, credential.signer())
    {
        return Err(ValidationError::Revoked);
    }
    check_issued(credential, &intermediate.as_issuer())?;
    check_time(credential.expiration(), now)?;
    Ok(ValidatedClientCredential { credential: credential.clone(), fingerprint })
}

/// Checks a leaf's credential as a member of the group does: whose it is, and that its owner says so.
///
/// # Errors
/// What is wrong with the credential, or with the key given for its attribution.
pub fn validate_leaf_credential(
    credential: &LeafCredential,
    attribution_key: &EarKey,
    client: &ValidatedClientCredential,
    now: Timestamp,
) -> Result<ValidatedLeaf, ValidationError> {
    let pseudonym = validate_leaf_possession(credential, now)?;
    let attribution = credential.attribution(attribution_key)?;
    if attribution.signer != client.fingerprint {
        return Err(ValidationError::UnknownSigner);
    }
    // The leaf is valid now, so this shows that the client is, however long ago it was validated.
    if !client.expiration().encloses(pseudonym.expiration()) {
        return Err(ValidationError::OutsideSignersValidity);
    }
    credential.verify_attribution(&attribution, client.verifying_key())?;
    Ok(ValidatedLeaf {
        pseudonym,
        client_id: client.client_id().clone(),
        client_fingerprint: client.fingerprint,
    })
}

/// Checks a leaf's credential as far as a delivery service can, which does not know whose it is.
///
/// # Errors
/// What is wrong with the credential.
pub fn validate_leaf_possession(
    credential: &LeafCredential,
    now: Timestamp,
) -> Result<ValidatedPseudonym, ValidationError> {
    credential.check_length()?;
    check_time(&credential.leaf.payload.expiration, now)?;
    check_possession(&credential.leaf)?;
    Ok(ValidatedPseudonym { payload: credential.leaf.payload.clone() })
}

fn check_time(expiration: &ExpirationData, now: Timestamp) -> Result<(), ValidationError> {
    if now > expiration.not_after {
        Err(ValidationError::Expired)
    } else if now < expiration.not_before {
        Err(ValidationError::NotYetValid)
    } else {
        Ok(())
    }
}

/// The times of a set: made in the past, good for a while longer, but for no longer than a set may be.
fn check_set_times(
    issued_at: Timestamp,
    valid_until: Timestamp,
    now: Timestamp,
) -> Result<(), ValidationError> {
    if valid_until < now {
        Err(ValidationError::SetExpired)
    } else if issued_at > now + CLOCK_TOLERANCE {
        Err(ValidationError::NotYetValid)
    } else if valid_until > issued_at + MAX_SET_VALIDITY {
        Err(ValidationError::ValidTooLong)
    } else {
        Ok(())
    }
}

fn check_possession<P: Payload>(credential: &SelfSigned<P>) -> Result<(), ValidationError> {
    credential.verify_self().map_err(|_| ValidationError::BadSelfSignature)
}

/// What holds of everything that is issued: cheap checks first, signatures last.
fn check_issued<P: IssuedPayload>(
    credential: &Issued<P>,
    issuer: &Issuer<'_>,
) -> Result<(), ValidationError> {
    let granted = credential.expiration();
    if !issuer.expiration.encloses(granted) || !credential.payload().expiration().encloses(granted) {
        return Err(ValidationError::OutsideSignersValidity);
    }
    check_possession(&credential.content.request)?;
    issuer
        .verifying_key
        .verify(&credential.content, &credential.signature)
        .map_err(|_| ValidationError::BadSignature)
}

/// A client's request for a credential, found good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidatedClientCredentialRequest {
    request: ClientCredentialRequest,
}

impl ValidatedClientCredentialRequest {
    /// The request itself.
    pub fn request(&self) -> &ClientCredentialRequest {
        &self.request
    }

    /// Who asks.
    pub fn client_id(&self) -> &ClientId {
        &self.request.payload.client_id
    }
}

/// A client's credential, found good at the time of its validation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidatedClientCredential {
    credential: ClientCredential,
    fingerprint: Fingerprint,
}

impl ValidatedClientCredential {
    /// The credential itself.
    pub fn credential(&self) -> &ClientCredential {
        &self.credential
    }

    /// Its name.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// Whose it is.
    pub fn client_id(&self) -> &ClientId {
        self.credential.client_id()
    }

    /// The client's key.
    pub fn verifying_key(&self) -> &VerifyingKey {
        self.credential.verifying_key()
    }

    /// When it is valid.
    pub fn expiration(&self) -> &ExpirationData {
        self.credential.expiration()
    }
}

/// A leaf whose key is held by whoever made the credential; nothing is known of who that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidatedPseudonym {
    payload: LeafCredentialPayload,
}

impl ValidatedPseudonym {
    /// The pseudonym.
    pub fn identity(&self) -> &[u8; 16] {
        &self.payload.identity
    }

    /// The leaf's key.
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.payload.verifying_key
    }

    /// When it is valid.
    pub fn expiration(&self) -> &ExpirationData {
        &self.payload.expiration
    }
}

/// A leaf and the client that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidatedLeaf {
    pseudonym: ValidatedPseudonym,
    client_id: ClientId,
    client_fingerprint: Fingerprint,
}

impl ValidatedLeaf {
    /// The leaf as those see it who do not know whose it is.
    pub fn pseudonym(&self) -> &ValidatedPseudonym {
        &self.pseudonym
    }

    /// Whose leaf it is.
    pub fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// The client's credential.
    pub fn client_fingerprint(&self) -> &Fingerprint {
        &self.client_fingerprint
    }
}
