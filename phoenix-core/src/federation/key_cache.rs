//! protocol.md §9, Key distribution — the published keys of other homeservers, fetched, validated and kept.
//!
//! A set is used until it expires; it is refreshed when it is older than the refresh interval, and once when a
//! key id is unknown. What fails, and what comes back wrong, never erases a set that is still valid, and is not
//! asked for again too soon. Equal questions under way at the same time are one fetch: see
//! [`Ask`] and [`crate::operation`].

use tls_codec::{DeserializeBytes, Serialize, Size, TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    config::Config,
    context::Context,
    credentials::{
        AsCredentialSet, KeyId, QsKeySet, ValidationError,
        validation::{
            ValidatedAsCredentials, ValidatedQsKeys, validate_as_credential_set, validate_qs_key_set,
        },
    },
    error::Refusal,
    federation::policy::Direction,
    identifiers::{Domain, RequestId},
    operation::{Ask, Interrupt},
    store::{Record, RecordKind, Transaction},
    time::Timestamp,
    wire::{
        auth_service::{GetAsCredentials, GetAsCredentialsReply},
        codec::{Codec, encode},
        envelope::{RequestEnvelope, ResponseEnvelope},
        operations::RequestBody,
        queuing_service::{GetQsKeys, GetQsKeysReply},
    },
};

/// What is kept of one homeserver's keys.
#[derive(Debug, Default, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct PeerKeys {
    queuing: Slot<QsKeySet>,
    authentication: Slot<AsCredentialSet>,
}

/// What is kept of one set.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct Slot<S: Size + Serialize + DeserializeBytes> {
    cached: Option<Cached<S>>,
    /// Not to be asked for again before.
    retry_at: Timestamp,
}

impl<S: Codec> Default for Slot<S> {
    fn default() -> Self {
        Self { cached: None, retry_at: Timestamp::default() }
    }
}

#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct Cached<S: Size + Serialize + DeserializeBytes> {
    set: S,
    fetched_at: Timestamp,
}

impl Record for PeerKeys {
    type Name = Domain;
    const KIND: RecordKind = RecordKind::PeerKeys;
}

/// A kind of set that homeservers publish, once it is validated.
pub(crate) trait Published: Clone {
    /// The set as it is published.
    type Set: Codec + Clone;
    /// What it is asked for with.
    type Request: RequestBody;

    /// The question.
    const REQUEST: Self::Request;

    /// The set in its answer.
    fn in_reply(reply: <Self::Request as RequestBody>::Reply) -> Self::Set;

    /// Our own set.
    fn ours(context: &Context) -> Option<Self::Set>;

    /// Validates a set of `domain`, which follows `previous`.
    fn validate(
        set: &Self::Set,
        domain: &Domain,
        now: Timestamp,
        previous: Option<&Self>,
    ) -> Result<Self, ValidationError>;

    /// The set that was validated.
    fn set(&self) -> &Self::Set;

    /// Where it is kept.
    fn slot(row: &mut PeerKeys) -> &mut Slot<Self::Set>;
}

impl Published for ValidatedQsKeys {
    type Set = QsKeySet;
    type Request = GetQsKeys;

    const REQUEST: GetQsKeys = GetQsKeys {};

    fn in_reply(reply: GetQsKeysReply) -> QsKeySet {
        reply.keys
    }

    fn ours(context: &Context) -> Option<QsKeySet> {
        context.keys().qs_key_set(context.domain(), context.now, context.config().times.key_set)
    }

    fn validate(
        set: &QsKeySet,
        domain: &Domain,
        now: Timestamp,
        _: Option<&Self>,
    ) -> Result<Self, ValidationError> {
        validate_qs_key_set(set, domain, now)
    }

    fn set(&self) -> &QsKeySet {
        self.set()
    }

    fn slot(row: &mut PeerKeys) -> &mut Slot<QsKeySet> {
        &mut row.queuing
    }
}

impl Published for ValidatedAsCredentials {
    type Set = AsCredentialSet;
    type Request = GetAsCredentials;

    const REQUEST: GetAsCredentials = GetAsCredentials {};

    fn in_reply(reply: GetAsCredentialsReply) -> AsCredentialSet {
        reply.credentials
    }

    fn ours(context: &Context) -> Option<AsCredentialSet> {
        context.keys().as_credential_set(context.domain(), context.now, context.config().times.key_set)
    }

    fn validate(
        set: &AsCredentialSet,
        domain: &Domain,
        now: Timestamp,
        previous: Option<&Self>,
    ) -> Result<Self, ValidationError> {
        validate_as_credential_set(set, domain, now, previous)
    }

    fn set(&self) -> &AsCredentialSet {
        self.set()
    }

    fn slot(row: &mut PeerKeys) -> &mut Slot<AsCredentialSet> {
        &mut row.authentication
    }
}

/// How a caller takes it that there is nothing to be had just now.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// It is refused, and told to come back.
    None,
    /// It waits between attempts by itself, and not longer than it needs to.
    OwnWaits,
}

/// The queuing keys of `domain`, which may be our own. With `wanted`, a set that lacks it is refreshed once.
///
/// # Errors
/// As [`current`].
pub(crate) fn queuing_keys(
    transaction: &mut Transaction,
    context: &Context,
    domain: &Domain,
    wanted: Option<KeyId>,
) -> Result<ValidatedQsKeys, Interrupt> {
    let patience = if wanted.is_some() { Patience::None } else { Patience::OwnWaits };
    let suffices =
        |keys: &ValidatedQsKeys| wanted.is_none_or(|id| keys.verifying_key(id, context.now).is_some());
    current(transaction, context, domain, suffices, patience)
}

/// The set of `domain` that is in force, which may be our own. One that is old, or does not suffice, is refreshed.
///
/// # Errors
/// Leaves to ask; refuses with [`Refusal::PeerUnavailable`] if there is no valid set to be had.
pub(crate) fn current<K: Published>(
    transaction: &mut Transaction,
    context: &Context,
    domain: &Domain,
    suffices: impl Fn(&K) -> bool,
    patience: Patience,
) -> Result<K, Interrupt> {
    let (now, times) = (context.now, &context.config().times);
    if domain == context.domain() {
        let ours = K::ours(context).ok_or(Refusal::Internal)?;
        return Ok(K::validate(&ours, domain, now, None).map_err(Refusal::from)?);
    }
    let mut row: PeerKeys = transaction.get(domain)?.unwrap_or_default();
    let slot = K::slot(&mut row);
    let cached = slot.cached.as_ref();
    let known = cached
        .and_then(|cached| Some((K::validate(&cached.set, domain, now, None).ok()?, cached.fetched_at)));
    if let Some((keys, fetched_at)) = &known
        && suffices(keys)
        && now.since(*fetched_at) < times.key_refresh
    {
        return Ok(keys.clone());
    }
    let known = known.map(|(keys, _)| keys);
    if is_ahead(context, slot.retry_at) && (patience == Patience::None || known.is_some()) {
        return known.ok_or_else(|| Refusal::peer_unavailable(domain, slot.retry_at - now).into());
    }
    let fetched = fetch::<K>(transaction, context, domain)?;
    let fetched =
        fetched.and_then(|set| K::validate(&set, domain, now, known.as_ref()).map_err(Failure::Invalid));
    if !fetched.as_ref().is_ok_and(suffices) {
        slot.retry_at = now + times.key_retry;
    }
    if let Ok(keys) = &fetched {
        slot.cached = Some(Cached { set: keys.set().clone(), fetched_at: now });
    }
    transaction.put(domain, &row);
    transaction.keep();
    conclude(fetched, known, (domain, context.config()))
}

/// Whether `retry_at` is still to come. What lies further ahead than any wait was noted while the clock was wrong.
fn is_ahead(context: &Context, retry_at: Timestamp) -> bool {
    context.now < retry_at && retry_at <= context.now + context.config().times.key_retry
}

/// Why a fetch brought nothing.
enum Failure {
    /// No answer, or none that could be read.
    NoAnswer,
    /// An answer that does not stand validation.
    Invalid(ValidationError),
}

/// What was fetched; else what is known; else the refusal.
fn conclude<K>(
    fetched: Result<K, Failure>,
    known: Option<K>,
    (domain, config): (&Domain, &Config),
) -> Result<K, Interrupt> {
    match (fetched, known) {
        (Ok(keys), _) | (Err(_), Some(keys)) => Ok(keys),
        (Err(Failure::NoAnswer), None) => {
            Err(Refusal::peer_unavailable(domain, config.times.key_retry).into())
        }
        (Err(Failure::Invalid(reason)), None) => Err(Refusal::from(reason).into()),
    }
}

/// Asks `domain`. The question has neither time nor name, so that equal ones are one.
fn fetch<K: Published>(
    transaction: &mut Transaction,
    context: &Context,
    domain: &Domain,
) -> Result<Result<K::Set, Failure>, Interrupt> {
    context.config().federation.check(Direction::Outbound, domain)?;
    let about = (domain.clone(), Timestamp::default(), RequestId([0; 16]));
    let request = RequestEnvelope::new(about, &K::REQUEST, None, None).map_err(|_| Refusal::Internal)?;
    let service = K::Request::KIND.rules().service;
    let answer = transaction.ask(Ask { domain: domain.clone(), service, request: encode(&request) })?;
    let reply = answer.ok().and_then(|bytes| ResponseEnvelope::read(&bytes).ok()?.ok());
    Ok(reply.map(K::in_reply).ok_or(Failure::NoAnswer))
}
