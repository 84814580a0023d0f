//! PROTOCOL.md §4, Validation — the checks that several kinds of material share.

use crate::{
    credentials::{
        error::ValidationError,
        key_sets::MAX_SET_VALIDITY,
        signed::{Issued, IssuedPayload, Issuer, Payload, SelfSigned},
    },
    time::{CLOCK_TOLERANCE, ExpirationData, Timestamp},
};

pub(super) fn check_time(expiration: &ExpirationData, now: Timestamp) -> Result<(), ValidationError> {
    if now > expiration.not_after {
        Err(ValidationError::Expired)
    } else if now < expiration.not_before {
        Err(ValidationError::NotYetValid)
    } else {
        Ok(())
    }
}

/// A set was made in the past (but for [`CLOCK_TOLERANCE`]), is valid still, and not for longer than
/// [`MAX_SET_VALIDITY`].
pub(super) fn check_set_times(
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

pub(super) fn check_possession<P: Payload>(credential: &SelfSigned<P>) -> Result<(), ValidationError> {
    credential.verify_self().map_err(|_| ValidationError::BadSelfSignature)
}

/// Checks what holds of every issued credential: validity first, then both signatures.
pub(super) fn check_issued<P: IssuedPayload>(
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
