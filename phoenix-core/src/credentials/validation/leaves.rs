//! PROTOCOL.md §4, Validation — validation of leaf credentials: by members, who know whose they are, and by
//! delivery services, which do not.

use super::{
    checks::{check_possession, check_time},
    clients::ValidatedClientCredential,
};
use crate::{
    credentials::{
        error::ValidationError,
        leaf::{LeafCredential, LeafCredentialPayload},
        signed::Fingerprint,
    },
    crypto::{aead::EarKey, sign::VerifyingKey},
    identifiers::{ClientId, LeafIdentity},
    time::{ExpirationData, Timestamp},
};

/// Checks a leaf's credential as a member of the group does: that it is valid, and that `client` has signed
/// it.
///
/// # Errors
/// The reason why the credential, or the key for its attribution, is refused.
pub fn validate_leaf_credential(
    credential: &LeafCredential,
    attribution_key: &EarKey,
    client: &ValidatedClientCredential,
    now: Timestamp,
) -> Result<ValidatedLeaf, ValidationError> {
    let pseudonym = validate_leaf_possession(credential, now)?;
    let attribution = credential.attribution(attribution_key)?;
    if attribution.signer != *client.fingerprint() {
        return Err(ValidationError::UnknownSigner);
    }
    // The leaf is valid now, so this shows that the client's credential is, too, however long ago it was
    // validated.
    if !client.expiration().encloses(pseudonym.expiration()) {
        return Err(ValidationError::OutsideSignersValidity);
    }
    credential.verify_attribution(&attribution, client.verifying_key())?;
    Ok(ValidatedLeaf {
        pseudonym,
        client_id: client.client_id().clone(),
        client_fingerprint: *client.fingerprint(),
    })
}

/// Checks a leaf's credential as far as a delivery service can, which does not know whose leaf it is.
///
/// # Errors
/// The reason why the credential is refused.
pub fn validate_leaf_possession(
    credential: &LeafCredential,
    now: Timestamp,
) -> Result<ValidatedPseudonym, ValidationError> {
    credential.check_length()?;
    check_time(&credential.leaf.payload.expiration, now)?;
    check_possession(&credential.leaf)?;
    Ok(ValidatedPseudonym { payload: credential.leaf.payload.clone() })
}

/// A leaf whose owner holds its key. Whose leaf it is remains unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidatedPseudonym {
    payload: LeafCredentialPayload,
}

impl ValidatedPseudonym {
    /// The pseudonym.
    pub fn identity(&self) -> &LeafIdentity {
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

/// A leaf and the client that it was proved to belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidatedLeaf {
    pseudonym: ValidatedPseudonym,
    client_id: ClientId,
    client_fingerprint: Fingerprint,
}

impl ValidatedLeaf {
    /// The leaf as a delivery service sees it.
    pub fn pseudonym(&self) -> &ValidatedPseudonym {
        &self.pseudonym
    }

    /// The client whose leaf it is.
    pub fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// The fingerprint of the client's credential.
    pub fn client_fingerprint(&self) -> &Fingerprint {
        &self.client_fingerprint
    }
}
