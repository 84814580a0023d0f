//! PROTOCOL.md §11.5 — the published keys of homeservers, as they were fetched.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    client::records::{ClientRecordKind, Record},
    credentials::{
        AsCredentialSet, QsKeySet, ValidationError,
        validation::{
            ValidatedAsCredentials, ValidatedQsKeys, validate_as_credential_set, validate_qs_key_set,
        },
    },
    identifiers::Domain,
    time::Timestamp,
};

/// A published set that was valid when it was fetched.
#[derive(Clone, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct Fetched<S: tls_codec::Serialize + tls_codec::DeserializeBytes + tls_codec::Size> {
    pub set: S,
    pub fetched_at: Timestamp,
}

impl Record for Fetched<AsCredentialSet> {
    const KIND: ClientRecordKind = ClientRecordKind::AsCredentials;
    type Key = Domain;
}

impl Record for Fetched<QsKeySet> {
    const KIND: ClientRecordKind = ClientRecordKind::QsKeys;
    type Key = Domain;
}

/// A set that was validated, and when it was fetched.
pub(crate) struct Validated<T> {
    pub set: T,
    pub fetched_at: Timestamp,
}

impl Fetched<AsCredentialSet> {
    /// Validates the set as of when it was fetched.
    pub fn validated(&self, domain: &Domain) -> Result<Validated<ValidatedAsCredentials>, ValidationError> {
        let set = validate_as_credential_set(&self.set, domain, self.fetched_at, None)?;
        Ok(Validated { set, fetched_at: self.fetched_at })
    }
}

impl Fetched<QsKeySet> {
    /// Validates the set as of when it was fetched.
    pub fn validated(&self, domain: &Domain) -> Result<Validated<ValidatedQsKeys>, ValidationError> {
        let set = validate_qs_key_set(&self.set, domain, self.fetched_at)?;
        Ok(Validated { set, fetched_at: self.fetched_at })
    }
}
