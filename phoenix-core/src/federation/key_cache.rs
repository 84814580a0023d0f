//! protocol.md §9, Key distribution — the published keys of other homeservers, fetched, validated and kept.
//!
//! A set is used until it expires; it is refreshed when it is older than the refresh interval, and once when a
//! key id is unknown. What fails, and what comes back wrong, never erases a set that is still valid, and is not
//! asked for again too soon. Equal questions under way at the same time are one fetch: see
//! [`Ask`] and [`crate::operation`].

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

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
        auth_service::GetAsCredentials,
        codec::encode,
        envelope::{RequestEnvelope, ResponseEnvelope},
        operations::RequestBody,
        queuing_service::GetQsKeys,
    },
};

/// What is kept of one homeserver's keys.
#[derive(Debug, Default, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct PeerKeys {
    queuing: Option<Cached<QsKeySet>>,
    authentication: Option<Cached<AsCredentialSet>>,
    /// Not to be asked for queuing keys again before.
    queuing_retry_at: Timestamp,
    /// Not to be asked for credentials again before.
    authentication_retry_at: Timestamp,
}

#[derive(Debug, Clone, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct Cached<S: tls_codec::Size + tls_codec::Serialize + tls_codec::DeserializeBytes> {
    set: S,
    fetched_at: Timestamp,
}

impl Record for PeerKeys {
    type Name = Domain;
    const KIND: RecordKind = RecordKind::PeerKeys;
}

/// The queuing keys of `domain`, which may be our own. With `wanted`, a set that lacks it is refreshed once.
///
/// # Errors
/// Leaves to ask; refuses with [`Refusal::PeerUnavailable`] if there is no valid set to be had.
pub(crate) fn queuing_keys(
    transaction: &mut Transaction,
    context: &Context,
    domain: &Domain,
    wanted: Option<KeyId>,
) -> Result<ValidatedQsKeys, Interrupt> {
    let now = context.now;
    let validate = |set: &QsKeySet| validate_qs_key_set(set, domain, now);
    if domain == context.domain() {
        let set = context.keys().qs_key_set(domain, now, context.config().times.key_set);
        return Ok(validate(&set.ok_or(Refusal::Internal)?).map_err(Refusal::from)?);
    }
    let mut row: PeerKeys = transaction.get(domain)?.unwrap_or_default();
    let known = row.queuing.clone().and_then(|cached| Some((validate(&cached.set).ok()?, cached.fetched_at)));
    let suffices = |keys: &ValidatedQsKeys| wanted.is_none_or(|id| keys.verifying_key(id, now).is_some());
    if let Some((keys, fetched_at)) = &known
        && suffices(keys)
        && now.since(*fetched_at) < context.config().times.key_refresh
    {
        return Ok(keys.clone());
    }
    let known = known.map(|(keys, _)| keys);
    // Whoever wants to deliver waits between attempts by itself, and not longer than it needs to.
    if is_ahead(context, row.queuing_retry_at) && (wanted.is_some() || known.is_some()) {
        return known.ok_or_else(|| Refusal::peer_unavailable(domain, row.queuing_retry_at - now).into());
    }
    let fetched = fetch(transaction, context, domain, &GetQsKeys {})?;
    let fetched = fetched.and_then(|reply| validate(&reply.keys).map_err(Failure::Invalid));
    if !fetched.as_ref().is_ok_and(suffices) {
        row.queuing_retry_at = now + context.config().times.key_retry;
    }
    if let Ok(keys) = &fetched {
        row.queuing = Some(Cached { set: keys.set().clone(), fetched_at: now });
    }
    transaction.put(domain, &row);
    transaction.keep();
    conclude(fetched, known, (domain, context.config()))
}

/// The credentials of the authentication service of `domain`, which may be our own. `unknown_signer` says
/// whether those that are kept were too old to validate something, so that a refresh is worth it.
///
/// # Errors
/// As [`queuing_keys`].
pub(crate) fn authentication_credentials(
    transaction: &mut Transaction,
    context: &Context,
    domain: &Domain,
    suffices: impl Fn(&ValidatedAsCredentials) -> bool,
) -> Result<ValidatedAsCredentials, Interrupt> {
    let now = context.now;
    if domain == context.domain() {
        let set = context.keys().as_credential_set(domain, now, context.config().times.key_set);
        let valid = validate_as_credential_set(&set.ok_or(Refusal::Internal)?, domain, now, None);
        return Ok(valid.map_err(Refusal::from)?);
    }
    let mut row: PeerKeys = transaction.get(domain)?.unwrap_or_default();
    let validate = |set: &AsCredentialSet, previous: Option<&ValidatedAsCredentials>| {
        validate_as_credential_set(set, domain, now, previous)
    };
    let cached = row.authentication.clone();
    let known = cached.and_then(|cached| Some((validate(&cached.set, None).ok()?, cached.fetched_at)));
    if let Some((credentials, fetched_at)) = &known
        && suffices(credentials)
        && now.since(*fetched_at) < context.config().times.key_refresh
    {
        return Ok(credentials.clone());
    }
    let known = known.map(|(credentials, _)| credentials);
    if is_ahead(context, row.authentication_retry_at) {
        return known
            .ok_or_else(|| Refusal::peer_unavailable(domain, row.authentication_retry_at - now).into());
    }
    let fetched = fetch(transaction, context, domain, &GetAsCredentials {})?;
    let fetched =
        fetched.and_then(|reply| validate(&reply.credentials, known.as_ref()).map_err(Failure::Invalid));
    if !fetched.as_ref().is_ok_and(&suffices) {
        row.authentication_retry_at = now + context.config().times.key_retry;
    }
    if let Ok(credentials) = &fetched {
        row.authentication = Some(Cached { set: credentials.set().clone(), fetched_at: now });
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
fn fetch<B: RequestBody>(
    transaction: &mut Transaction,
    context: &Context,
    domain: &Domain,
    body: &B,
) -> Result<Result<B::Reply, Failure>, Interrupt> {
    context.config().federation.check(Direction::Outbound, domain)?;
    let about = (domain.clone(), Timestamp::default(), RequestId([0; 16]));
    let request = RequestEnvelope::new(about, body, None, None).map_err(|_| Refusal::Internal)?;
    let ask = Ask { domain: domain.clone(), service: B::KIND.rules().service, request: encode(&request) };
    let answer = transaction.ask(ask)?;
    let reply = answer.ok().and_then(|bytes| ResponseEnvelope::read::<B::Reply>(&bytes).ok()?.ok());
    Ok(reply.ok_or(Failure::NoAnswer))
}
