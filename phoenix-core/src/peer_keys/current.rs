//! PROTOCOL.md §9, Key distribution — the keys of a homeserver that are in force: kept, refreshed or fetched.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::{
    cache::{self, Kept},
    published::Published,
};
use crate::{
    codec::encode,
    config::Direction,
    credentials::{KeyId, ValidationError, validation::ValidatedQsKeys},
    error::Refusal,
    identifiers::{Domain, RequestId},
    operation::{Ask, Interrupt, Transaction},
    rates::{Bucket, Rate},
    store::{Record, RecordKind},
    time::Timestamp,
    wire::{
        envelope::{RequestEnvelope, ResponseEnvelope},
        operations::RequestBody,
    },
};

/// On whose behalf keys are needed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// On behalf of a caller that is not yet authenticated: told to come back if there are none now. How many
    /// unknown homeservers are asked for such callers is limited.
    Stranger,
    /// On behalf of a client that has paid with a token: told to come back if there are none now.
    Client,
    /// On this homeserver's own behalf: waits between attempts, and no longer than it needs to.
    Ourselves,
}

/// The queuing keys of `domain`, which may be this homeserver's own. With `wanted`, a set that lacks it is
/// refreshed once.
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

/// The set of `domain` that is in force, which may be this homeserver's own. One that is old, or does not
/// suffice, is refreshed.
///
/// # Errors
/// Leaves to ask; refuses with [`Refusal::NotFederated`] if `domain` is not to be asked for anything, with
/// [`Refusal::PeerUnavailable`] if no valid set can be obtained, with [`Refusal::RateLimited`] if too
/// many strangers want unknown homeservers asked.
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
    let known = match Kept::get(transaction, domain)? {
        Some(kept) if suffices(&kept.keys) && kept.is_fresh(now, times.key_refresh) => {
            return Ok(kept.keys);
        }
        known => known.map(|known| known.keys),
    };
    if let Some(retry_at) = cache::retry_at::<K>(transaction, domain)?
        && (caller != Caller::Ourselves || known.is_some())
    {
        return known.ok_or_else(|| Refusal::peer_unavailable(domain, retry_at - now).into());
    }
    let question = question::<K>(domain)?;
    if known.is_none() && caller == Caller::Stranger && !transaction.has_paid_for(&question) {
        pay_first_contact(transaction)?;
    }
    let fetched = fetch::<K>(transaction, question)?;
    let fetched =
        fetched.and_then(|set| K::validate(&set, domain, now, known.as_ref()).map_err(Failure::Invalid));
    if !fetched.as_ref().is_ok_and(suffices) {
        cache::note_failure::<K>(transaction, domain);
    }
    if let Ok(keys) = &fetched {
        cache::put(transaction, domain, keys, known.as_ref());
    }
    transaction.savepoint();
    match (fetched, known) {
        (Ok(keys), _) | (Err(_), Some(keys)) => Ok(keys),
        (Err(Failure::NoAnswer), None) => Err(Refusal::peer_unavailable(domain, times.key_retry).into()),
        (Err(Failure::Invalid(reason)), None) => Err(Refusal::from(reason).into()),
    }
}

/// Why a fetch failed.
enum Failure {
    /// No answer, or none that can be read.
    NoAnswer,
    /// An answer that does not stand validation.
    Invalid(ValidationError),
}

/// The question for the set of `domain`. It has neither time nor name, so that equal ones are one.
fn question<K: Published>(domain: &Domain) -> Result<Ask, Refusal> {
    let request = RequestEnvelope::to(domain.clone(), Timestamp::default(), RequestId([0; 16]), &K::REQUEST)
        .unsigned()
        .map_err(|_| Refusal::Internal)?;
    let service = K::Request::KIND.rules().service;
    Ok(Ask { domain: domain.clone(), service, request: encode(&request) })
}

/// Asks for the set.
fn fetch<K: Published>(
    transaction: &mut Transaction<'_>,
    question: Ask,
) -> Result<Result<K::Set, Failure>, Interrupt> {
    let answer = transaction.ask_peer(question)?;
    let reply = answer.ok().and_then(|bytes| ResponseEnvelope::read(&bytes).ok()?.ok());
    Ok(reply.map(K::in_reply).ok_or(Failure::NoAnswer))
}

/// How often strangers lately had unknown homeservers asked: one row for all of them (PROTOCOL.md §9, First
/// contact).
#[derive(Debug, Default, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct FirstContacts(Bucket);

impl Record for FirstContacts {
    type Name = ();
    const KIND: RecordKind = RecordKind::FirstContacts;
}

/// Takes one question from the budget of all strangers together: a caller that is not authenticated can name
/// any domain. It is taken before the question is asked, so that the budget is never overdrawn by more than one
/// question, and a newcomer waits no longer than that takes.
fn pay_first_contact(transaction: &mut Transaction<'_>) -> Result<(), Interrupt> {
    let rates = &transaction.config().rates;
    let rate = Rate { per_second: rates.first_contacts_per_second, burst: rates.first_contact_burst };
    let FirstContacts(mut taken) = transaction.get(&())?.unwrap_or_default();
    taken.check(transaction.now(), rate).map_err(Refusal::rate_limited)?;
    taken.take(transaction.now(), rate, 1);
    transaction.put(&(), &FirstContacts(taken));
    transaction.savepoint();
    Ok(())
}
