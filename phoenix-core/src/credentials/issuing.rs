//! PROTOCOL.md §4, Clients — issuing: an intermediate grants what a client asked for.

use super::{
    authority::AsIntermediateCredential, client::ClientCredential, error::ValidationError,
    validation::ValidatedClientCredentialRequest,
};
use crate::{crypto::sign::SigningKey, time::ExpirationData};

impl ClientCredential {
    /// Grants a request. The validity is the part that `expiration`, the request and the intermediate's
    /// validity have in common.
    ///
    /// # Errors
    /// [`ValidationError::WrongDomain`] if the client belongs to another homeserver than the intermediate,
    /// [`ValidationError::UnknownSigner`] if `key` is not the key of `intermediate`,
    /// [`ValidationError::OutsideSignersValidity`] if no validity is left.
    pub fn issue(
        request: &ValidatedClientCredentialRequest,
        key: &SigningKey,
        intermediate: &AsIntermediateCredential,
        expiration: &ExpirationData,
    ) -> Result<Self, ValidationError> {
        let request = request.request().clone();
        if request.payload.client_id.user_id.domain != intermediate.payload().domain {
            return Err(ValidationError::WrongDomain);
        }
        Self::grant(request, key, intermediate.as_issuer(), expiration)
    }
}
