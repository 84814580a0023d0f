//! PROTOCOL.md §4, Published sets — the kinds of sets that homeservers publish.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    codec::Codec,
    credentials::{
        AsCredentialSet, QsKeySet, ValidationError,
        validation::{
            ValidatedAsCredentials, ValidatedQsKeys, validate_as_credential_set, validate_qs_key_set,
        },
    },
    identifiers::Domain,
    keys::NoValidKey,
    operation::Context,
    time::Timestamp,
    wire::{
        auth_service::{GetAsCredentials, GetAsCredentialsReply},
        operations::RequestBody,
        queuing_service::{GetQsKeys, GetQsKeysReply},
    },
};

/// Names a set: whose it is, and the operation that asks for it.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct SetName {
    domain: Domain,
    operation: u16,
}

/// A kind of set that homeservers publish, once it is validated.
pub(crate) trait Published: Clone {
    /// The set as it is published.
    type Set: Codec + Clone;
    /// The request that asks for it.
    type Request: RequestBody;

    /// The question.
    const REQUEST: Self::Request;

    /// The set in its answer.
    fn in_reply(reply: <Self::Request as RequestBody>::Reply) -> Self::Set;

    /// This homeserver's own set.
    fn ours(context: &Context) -> Result<Self::Set, NoValidKey>;

    /// Validates a set of `domain` that follows `previous`.
    fn validate(
        set: &Self::Set,
        domain: &Domain,
        now: Timestamp,
        previous: Option<&Self>,
    ) -> Result<Self, ValidationError>;

    /// Reads back a set of `domain` that was validated when it was written.
    fn kept(set: Self::Set, domain: &Domain, now: Timestamp) -> Result<Self, ValidationError>;

    /// The set that was validated.
    fn set(&self) -> &Self::Set;

    /// Until when the set may be used.
    fn valid_until(&self) -> Timestamp;

    /// The name of the row that keeps the set of `domain`.
    fn name(domain: &Domain) -> SetName {
        SetName { domain: domain.clone(), operation: Self::Request::KIND.code() }
    }
}

impl Published for ValidatedQsKeys {
    type Set = QsKeySet;
    type Request = GetQsKeys;

    const REQUEST: GetQsKeys = GetQsKeys {};

    fn in_reply(reply: GetQsKeysReply) -> QsKeySet {
        reply.keys
    }

    fn ours(context: &Context) -> Result<QsKeySet, NoValidKey> {
        context.keys().qs_key_set(context.domain(), context.now(), context.config().times.key_set)
    }

    fn validate(
        set: &QsKeySet,
        domain: &Domain,
        now: Timestamp,
        _: Option<&Self>,
    ) -> Result<Self, ValidationError> {
        validate_qs_key_set(set, domain, now)
    }

    fn kept(set: QsKeySet, domain: &Domain, now: Timestamp) -> Result<Self, ValidationError> {
        Self::restore(set, domain, now)
    }

    fn set(&self) -> &QsKeySet {
        self.set()
    }

    fn valid_until(&self) -> Timestamp {
        self.valid_until()
    }
}

impl Published for ValidatedAsCredentials {
    type Set = AsCredentialSet;
    type Request = GetAsCredentials;

    const REQUEST: GetAsCredentials = GetAsCredentials {};

    fn in_reply(reply: GetAsCredentialsReply) -> AsCredentialSet {
        reply.credentials
    }

    fn ours(context: &Context) -> Result<AsCredentialSet, NoValidKey> {
        context.keys().as_credential_set(context.domain(), context.now(), context.config().times.key_set)
    }

    fn validate(
        set: &AsCredentialSet,
        domain: &Domain,
        now: Timestamp,
        previous: Option<&Self>,
    ) -> Result<Self, ValidationError> {
        validate_as_credential_set(set, domain, now, previous)
    }

    fn kept(set: AsCredentialSet, domain: &Domain, now: Timestamp) -> Result<Self, ValidationError> {
        Self::restore(set, domain, now)
    }

    fn set(&self) -> &AsCredentialSet {
        self.set()
    }

    fn valid_until(&self) -> Timestamp {
        self.valid_until()
    }
}
