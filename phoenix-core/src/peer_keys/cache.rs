//! PROTOCOL.md §9, Key distribution — the rows that keep the sets of other homeservers, and what is known of
//! failed fetches.

use std::time::Duration;
use tls_codec::{DeserializeBytes, Serialize, Size, TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::published::{Published, SetName};
use crate::{
    codec::{Codec, decode},
    config::Plant,
    credentials::QsKeySet,
    identifiers::Domain,
    operation::{Context, Interrupt, Transaction},
    rates::StoredTime,
    store::{Expiring, Key, Record, RecordKind},
    time::{CLOCK_TOLERANCE, Hour, Timestamp},
};

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

/// A fetch brought no set, or one that did not suffice: the negative entry of the cache.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct FailedFetch {
    /// Not to be asked for again before.
    retry_at: StoredTime,
}

impl Record for FailedFetch {
    type Name = Expiring<SetName>;
    const KIND: RecordKind = RecordKind::FailedFetch;
}

/// The set that expires with the row `key`, if `key` is that of a set's expiry.
pub(crate) fn expired(key: &Key) -> Option<Key> {
    let name: Expiring<SetName> = decode(key.name()).ok()?;
    (key.kind() == RecordKind::PeerKeysExpiry).then(|| Key::of::<PeerKeys<QsKeySet>>(&name.name))
}

/// The rows that asking for keys of `domain` reads if they are known: a caller loads all that it needs in one
/// round.
pub(crate) fn rows<K: Published>(domain: &Domain) -> Vec<Key> {
    vec![Key::of::<PeerKeys<K::Set>>(&K::name(domain))]
}

/// The rows that it reads besides if the keys are not known, or old.
pub(crate) fn rows_before_asking<K: Published>(context: &Context, domain: &Domain) -> Vec<Key> {
    failed_fetches(context, &K::name(domain)).iter().map(Key::of::<FailedFetch>).collect()
}

/// A set that is kept.
pub(super) struct Kept<K> {
    pub keys: K,
    fetched_at: Timestamp,
}

impl<K: Published> Kept<K> {
    /// Whether the set was fetched within `longest` before `now`; one that was fetched in the future was while
    /// a clock was wrong.
    pub fn is_fresh(&self, now: Timestamp, longest: Duration) -> bool {
        now.since(self.fetched_at) < longest && self.fetched_at <= now + CLOCK_TOLERANCE
    }

    /// The set of `domain` that is kept. `None` if there is none, or none that is still valid.
    pub fn get(transaction: &mut Transaction<'_>, domain: &Domain) -> Result<Option<Self>, Interrupt> {
        // What is damaged is fetched again.
        let row = transaction.read::<PeerKeys<K::Set>>(&K::name(domain))?.intact();
        let Some(PeerKeys { set, fetched_at }) = row else { return Ok(None) };
        let keys = K::kept(set, domain, transaction.now());
        Ok(keys.ok().map(|keys| Self { keys, fetched_at }))
    }
}

/// Keeps a good set of `domain` in the place of `previous`, until it is of no use any more.
pub(super) fn put<K: Published>(
    transaction: &mut Transaction<'_>,
    domain: &Domain,
    keys: &K,
    previous: Option<&K>,
) {
    let name = K::name(domain);
    transaction.put(&name, &PeerKeys { set: keys.set().clone(), fetched_at: transaction.now() });
    let expiry = |keys: &K| Expiring { hour: keys.valid_until().hour(), name: name.clone() };
    if let Some(previous) = previous {
        transaction.delete::<PeerKeysExpiry>(&expiry(previous));
    }
    if !transaction.planted(Plant::ForgetExpiry) {
        transaction.put(&expiry(keys), &PeerKeysExpiry {});
    }
}

/// Notes that a fetch failed.
pub(super) fn note_failure<K: Published>(transaction: &mut Transaction<'_>, domain: &Domain) {
    let retry_at = transaction.now() + transaction.config().times.key_retry;
    let name = Expiring { hour: retry_at.hour(), name: K::name(domain) };
    transaction.put(&name, &FailedFetch { retry_at: StoredTime::new(retry_at) });
}

/// When the set of `domain` may be asked for again; `None` if that is now.
pub(super) fn retry_at<K: Published>(
    transaction: &mut Transaction<'_>,
    domain: &Domain,
) -> Result<Option<Timestamp>, Interrupt> {
    let (now, longest) = (transaction.now(), transaction.config().times.key_retry);
    let names = failed_fetches(transaction.context(), &K::name(domain));
    transaction.snapshot().load(&names.iter().map(Key::of::<FailedFetch>).collect::<Vec<_>>())?;
    for name in names {
        let row = transaction.snapshot().read::<FailedFetch>(&name)?.intact();
        if let Some(retry_at) = row.and_then(|row| row.retry_at.pending(now, longest)) {
            return Ok(Some(retry_at));
        }
    }
    Ok(None)
}

/// The names that the row of a failed fetch can have now: it lies in the hour of its end.
fn failed_fetches(context: &Context, name: &SetName) -> Vec<Expiring<SetName>> {
    let (now, longest) = (context.now(), context.config().times.key_retry);
    let hours = now.hour().0..=(now + longest).hour().0;
    hours.map(|hour| Expiring { hour: Hour(hour), name: name.clone() }).collect()
}
