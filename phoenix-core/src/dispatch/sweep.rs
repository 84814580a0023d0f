//! PROTOCOL.md §10 — what goes when, a bounded number at a time.
//!
//! What has an expiry from the start is keyed by the hour of it, so that a sweep finds it by a scan. What goes when
//! it was not used for long says in itself when it was: a sweep looks at the next few, again and again all around.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    auth_service::tokens::allowance,
    codec::Bytes,
    federation::inbox,
    operation::{Interrupt, Timer, Transaction},
    peer_keys,
    store::{Key, Record, RecordKind, Scan},
    time::Hour,
};

/// The kinds of records whose names are [`Expiring`].
const EXPIRING: [RecordKind; 6] = [
    RecordKind::RememberedAnswer,
    RecordKind::Nullifier,
    RecordKind::PendingRegistration,
    RecordKind::GroupReservation,
    RecordKind::PeerKeysExpiry,
    RecordKind::VainFetch,
];

/// Whether nobody needs the record with this key any more; drops what belongs to it, if so.
type IsOver = fn(&mut Transaction<'_>, &Key) -> Result<bool, Interrupt>;

/// The kinds of records that go when they were not used for long.
const PATROLLED: [(RecordKind, IsOver); 2] =
    [(RecordKind::ClientAllowance, allowance::is_over), (RecordKind::InboundSource, inbox::is_over)];

/// The last key of its kind that was looked at.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct Patrol(Bytes<MAX_KEY>);

/// Domains and hashes are shorter by far.
const MAX_KEY: usize = 1024;

impl Record for Patrol {
    type Name = u8;
    const KIND: RecordKind = RecordKind::Patrol;
}

/// Drops a bounded number of records, and comes back: at once if there may be more to drop, else later.
pub(crate) fn sweep(transaction: &mut Transaction<'_>) -> Result<(), Interrupt> {
    let config = transaction.config();
    let limit = config.sizes.sweep_batch;
    let mut more = false;
    for kind in EXPIRING {
        // A row is of use during its hour, so those of the hours before this one go.
        let scan = Scan::hours(kind, Hour(0), transaction.now().hour(), limit);
        let expired: Vec<Key> = transaction.scan(scan)?;
        more |= expired.len() == limit;
        for key in expired {
            if let Some(set) = peer_keys::expired(&key) {
                transaction.delete_key(set);
            }
            transaction.delete_key(key);
        }
    }
    transaction.load(PATROLLED.iter().map(|(kind, _)| Key::of::<Patrol>(&(*kind as u8))))?;
    for patrolled in PATROLLED {
        more |= patrol(transaction, patrolled)?;
    }
    let due = if more { transaction.now() } else { transaction.now() + config.times.sweep };
    transaction.schedule(Timer::Sweep, due);
    Ok(())
}

/// Looks at the next few records of a kind. Whether there are more, and some of these have gone.
fn patrol(
    transaction: &mut Transaction<'_>,
    (kind, is_over): (RecordKind, IsOver),
) -> Result<bool, Interrupt> {
    let limit = transaction.config().sizes.sweep_batch;
    let before = transaction.read::<Patrol>(&(kind as u8))?.intact();
    let scan = before
        .as_ref()
        .map_or_else(|| Scan::kind(kind, limit), |Patrol(last)| Scan::after(kind, last.as_slice(), limit));
    let keys = transaction.scan(scan)?;
    transaction.snapshot().load(&keys)?;
    let mut dropped = false;
    for key in &keys {
        if is_over(transaction, key)? {
            transaction.delete_key(key.clone());
            dropped = true;
        }
    }
    let last = keys.last().filter(|_| keys.len() == limit);
    match last.and_then(|last| Bytes::new(last.to_bytes()).ok()) {
        Some(last) => transaction.put(&(kind as u8), &Patrol(last)),
        // From the first one on, next time.
        None if before.is_some() => transaction.delete::<Patrol>(&(kind as u8)),
        None => {}
    }
    Ok(dropped && last.is_some())
}
