//! PROTOCOL.md §4, Validation — validation of clients' credentials, and of their requests for them.

use super::{
    authorities::ValidatedAsCredentials,
    checks::{check_issued, check_possession, check_time},
};
use crate::{
    credentials::{
        client::{ClientCredential, ClientCredentialRequest},
        error::ValidationError,
        signed::Fingerprint,
    },
    crypto::sign::VerifyingKey,
    identifiers::{ClientId, Domain},
    time::{ExpirationData, Timestamp},
};

/// Checks a client's request for a credential of `domain` at `now`.
///
/// # Errors
/// The reason why it is refused. The client is at fault.
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

/// A client's request for a credential that was valid when it was validated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidatedClientCredentialRequest {
    request: ClientCredentialRequest,
}

impl ValidatedClientCredentialRequest {
    /// The request itself.
    pub fn request(&self) -> &ClientCredentialRequest {
        &self.request
    }

    /// The client that asks.
    pub fn client_id(&self) -> &ClientId {
        &self.request.payload.client_id
    }
}

/// A client's credential that was valid when it was validated.
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

    /// The credential's fingerprint.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// The client whose credential it is.
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
