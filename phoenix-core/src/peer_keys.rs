//! PROTOCOL.md §9, Key distribution — the published keys of other homeservers, fetched, validated and kept.
//!
//! A set is used until it expires, and goes then; it is refreshed when it is older than the refresh interval, and
//! once when a key id is unknown. What fails, and what comes back wrong, never erases a set that is still valid,
//! and is not asked for again too soon. Strangers can make us ask for sets, so how often they do is limited. Equal questions under way at the same time are one fetch: see
//! [`Ask`] and [`crate::operation`].

use tls_codec::{DeserializeBytes, Serialize, Size, TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    codec::{Codec, decode, encode},
    config::{Config, Direction},
    credentials::{
        AsCredentialSet, KeyId, QsKeySet, ValidationError,
        validation::{
            ValidatedAsCredentials, ValidatedQsKeys, validate_as_credential_set, validate_qs_key_set,
        },
    },
    error::Refusal,
    identifiers::{Domain, RequestId},
    keys::NoValidKey,
    operation::{Ask, Context, Interrupt, Transaction},
    rates::{Bucket, Rate, StoredTime},
    store::{Expiring, Key, Record, RecordKind},
    time::{Hour, Timestamp},
    wire::{
        auth_service::{GetAsCredentials, GetAsCredentialsReply},
        envelope::{RequestEnvelope, ResponseEnvelope},
        operations::RequestBody,
        queuing_service::{GetQsKeys, GetQsKeysReply},
    },
};

/// Names a set: whose, and what it is asked for with.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct SetName {
    domain: Domain,
    operation: u16,
}

/// The last good set.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct PeerKeys<S: Size + Serialize + DeserializeBytes> {
    set: S,
    fetched_at: Timestamp,
}

impl<S: Codec> Record for PeerKeys<S> {
    type Name = SetName;
    const KIND: RecordKind = RecordKind::PeerKeys;
}

/// Until when a set that is kept is of use: one row for each, so that a sweep finds those that are not.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct PeerKeysExpiry {}

impl Record for PeerKeysExpiry {
    type Name = Expiring<SetName>;
    const KIND: RecordKind = RecordKind::PeerKeysExpiry;
}

/// The set whose time is over, by the key of the row that says so.
pub(crate) fn expired(key: &Key) -> Option<Key> {
    let name: Expiring<SetName> = decode(key.name()).ok()?;
    (key.kind() == RecordKind::PeerKeysExpiry).then(|| Key::of::<PeerKeys<QsKeySet>>(&name.name))
}

/// A set was asked for in vain, or what came was not enough.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct FailedFetch {
    /// Not to be asked for again before.
    retry_at: StoredTime,
}

impl Record for FailedFetch {
    type Name = Expiring<SetName>;
    const KIND: RecordKind = RecordKind::FailedFetch;
}

/// How often strangers lately had us ask homeservers that we know nothing of: one row for all of them.
#[derive(Debug, Default, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct FirstContacts(Bucket);

impl Record for FirstContacts {
    type Name = ();
    const KIND: RecordKind = RecordKind::FirstContacts;
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
    fn ours(context: &Context) -> Result<Self::Set, NoValidKey>;

    /// Validates a set of `domain`, which follows `previous`.
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

    /// Until when it may be used.
    fn valid_until(&self) -> Timestamp;

    /// What the set of `domain` is kept under.
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

/// On whose behalf keys are needed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Somebody not yet authenticated: told to come back if there is nothing to be had just now, and not the one
    /// who decides how many homeservers we ask.
    Stranger,
    /// A client that has paid with a token: told to come back if there is nothing to be had just now.
    Client,
    /// Ourselves: we wait between attempts, and not longer than we need to.
    Ourselves,
}

/// The rows that asking for keys of `domain` will read if they are known: so that who asks can load all that it
/// needs in one round.
pub(crate) fn rows<K: Published>(domain: &Domain) -> Vec<Key> {
    vec![Key::of::<PeerKeys<K::Set>>(&K::name(domain))]
}

/// The rows that it will read besides if the keys are not known, or old.
pub(crate) fn rows_before_asking<K: Published>(context: &Context, domain: &Domain) -> Vec<Key> {
    failed_fetches(context, &K::name(domain)).iter().map(Key::of::<FailedFetch>).collect()
}

/// The queuing keys of `domain`, which may be our own. With `wanted`, a set that lacks it is refreshed once.
///
/// # Errors
/// As [`current`].
pub(crate) fn queuing_keys(
    transaction: &mut Transaction<'_>,
    domain: &Domain,
    wanted: Option<KeyId>,
    caller: Caller,
) -> Result<ValidatedQsKeys, Interrupt> {
    let now = transaction.now();
    let suffices = |keys: &ValidatedQsKeys| wanted.is_none_or(|id| keys.verifying_key(id, now).is_some());
    current(transaction, domain, suffices, caller)
}

/// The set of `domain` that is in force, which may be our own. One that is old, or does not suffice, is refreshed.
///
/// # Errors
/// Leaves to ask; refuses with [`Refusal::NotFederated`] if we are not to ask `domain` for anything, with
/// [`Refusal::PeerUnavailable`] if there is no valid set to be had, with [`Refusal::RateLimited`] if too
/// many strangers want homeservers asked that we know nothing of.
pub(crate) fn current<K: Published>(
    transaction: &mut Transaction<'_>,
    domain: &Domain,
    suffices: impl Fn(&K) -> bool,
    caller: Caller,
) -> Result<K, Interrupt> {
    let (now, times) = (transaction.now(), &transaction.config().times);
    if domain == transaction.domain() {
        let ours = K::ours(transaction.context()).map_err(Refusal::from)?;
        return Ok(K::validate(&ours, domain, now, None).map_err(Refusal::from)?);
    }
    // Before what is kept is looked at: a change of the policy takes effect at once.
    transaction.config().federation.check(Direction::Outbound, domain)?;
    let name = K::name(domain);
    let row: Option<PeerKeys<K::Set>> = transaction.get(&name)?;
    let known = row.and_then(|row| Some((K::kept(row.set, domain, now).ok()?, row.fetched_at)));
    let known = match known {
        Some((keys, fetched_at)) if suffices(&keys) && now.since(fetched_at) < times.key_refresh => {
            return Ok(keys);
        }
        known => known.map(|(keys, _)| keys),
    };
    if let Some(retry_at) = not_before(transaction, &name)?
        && (caller != Caller::Ourselves || known.is_some())
    {
        return known.ok_or_else(|| Refusal::peer_unavailable(domain, retry_at - now).into());
    }
    if known.is_none() && caller == Caller::Stranger {
        admit_first_contact(transaction)?;
    }
    let fetched = fetch::<K>(transaction, domain)?;
    let fetched =
        fetched.and_then(|set| K::validate(&set, domain, now, known.as_ref()).map_err(Failure::Invalid));
    if !fetched.as_ref().is_ok_and(suffices) {
        let retry_at = now + times.key_retry;
        transaction.put(
            &Expiring { hour: retry_at.hour(), name: name.clone() },
            &FailedFetch { retry_at: StoredTime::new(retry_at) },
        );
    }
    if let Ok(keys) = &fetched {
        keep(transaction, now, name, (keys, known.as_ref()));
    }
    transaction.savepoint();
    conclude(fetched, known, (domain, transaction.config()))
}

/// Keeps a good set in the place of the one before, until it is of no use any more.
fn keep<K: Published>(
    transaction: &mut Transaction<'_>,
    now: Timestamp,
    name: SetName,
    (keys, previous): (&K, Option<&K>),
) {
    transaction.put(&name, &PeerKeys { set: keys.set().clone(), fetched_at: now });
    let expiry = |keys: &K| Expiring { hour: keys.valid_until().hour(), name: name.clone() };
    if let Some(previous) = previous {
        transaction.delete::<PeerKeysExpiry>(&expiry(previous));
    }
    transaction.put(&expiry(keys), &PeerKeysExpiry {});
}

/// When the set may be asked for again, if that is not now.
fn not_before(transaction: &mut Transaction<'_>, name: &SetName) -> Result<Option<Timestamp>, Interrupt> {
    let (now, longest) = (transaction.now(), transaction.config().times.key_retry);
    let names = failed_fetches(transaction.context(), name);
    transaction.snapshot().load(&names.iter().map(Key::of::<FailedFetch>).collect::<Vec<_>>())?;
    for name in names {
        let row = transaction.snapshot().read::<FailedFetch>(&name)?.intact();
        if let Some(retry_at) = row.and_then(|row| row.retry_at.pending(now, longest)) {
            return Ok(Some(retry_at));
        }
    }
    Ok(None)
}

/// The names that a row of a vain fetch can have now: it lies in the hour of its end.
fn failed_fetches(context: &Context, name: &SetName) -> Vec<Expiring<SetName>> {
    let (now, longest) = (context.now(), context.config().times.key_retry);
    let hours = now.hour().0..=(now + longest).hour().0;
    hours.map(|hour| Expiring { hour: Hour(hour), name: name.clone() }).collect()
}

/// Whoever is not authenticated can name any domain: so each costs something of what all of them together have.
fn admit_first_contact(transaction: &mut Transaction<'_>) -> Result<(), Interrupt> {
    let rates = &transaction.config().rates;
    let rate = Rate { per_second: rates.first_contacts_per_second, burst: rates.first_contact_burst };
    let FirstContacts(mut taken) = transaction.get(&())?.unwrap_or_default();
    // Once the question is out, its answer counts, whatever others asked meanwhile.
    if !transaction.has_asked() {
        taken.check(transaction.now(), rate).map_err(Refusal::rate_limited)?;
    }
    taken.take(transaction.now(), rate, 1);
    transaction.put(&(), &FirstContacts(taken));
    Ok(())
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
    transaction: &mut Transaction<'_>,
    domain: &Domain,
) -> Result<Result<K::Set, Failure>, Interrupt> {
    let about = (domain.clone(), Timestamp::default(), RequestId([0; 16]));
    let request = RequestEnvelope::new(about, &K::REQUEST, None, None).map_err(|_| Refusal::Internal)?;
    let service = K::Request::KIND.rules().service;
    let answer = transaction.ask_peer(Ask { domain: domain.clone(), service, request: encode(&request) })?;
    let reply = answer.ok().and_then(|bytes| ResponseEnvelope::read(&bytes).ok()?.ok());
    Ok(reply.map(K::in_reply).ok_or(Failure::NoAnswer))
}
