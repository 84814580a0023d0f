//! PROTOCOL.md §10 — what goes when, a bounded number of rows at a time.
//!
//! What has an end from the start is keyed by the hour of it, so that a sweep finds it by a scan. What goes
//! when it was not used for long says itself when it was: a sweep looks at the next few of these, again and
//! again all around.

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

/// The kinds of records whose names are [`Expiring`](crate::store::Expiring).
const EXPIRING: [RecordKind; 6] = [
    RecordKind::RememberedAnswer,
    RecordKind::Nullifier,
    RecordKind::PendingRegistration,
    RecordKind::GroupReservation,
    RecordKind::PeerKeysExpiry,
    RecordKind::FailedFetch,
];

/// A kind of records that go when they were not used for long.
struct AgeingKind {
    kind: RecordKind,
    /// Whether the record with this key is of no use any more; drops what belongs to it, if so.
    is_over: fn(&mut Transaction<'_>, &Key) -> Result<bool, Interrupt>,
}

const AGEING: [AgeingKind; 2] = [
    AgeingKind { kind: RecordKind::ClientAllowance, is_over: allowance::is_over },
    AgeingKind { kind: RecordKind::InboundSource, is_over: inbox::is_over },
];

/// The last key of its kind that a sweep looked at.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct SweepCursor(Bytes<MAX_KEY>);

/// Domains and hashes are shorter by far.
const MAX_KEY: usize = 1024;

impl Record for SweepCursor {
    type Name = u8;
    const KIND: RecordKind = RecordKind::SweepCursor;
}

/// Drops a bounded number of records, and schedules the next sweep: at once if there may be more to drop.
pub(crate) fn sweep(transaction: &mut Transaction<'_>) -> Result<(), Interrupt> {
    let mut more = sweep_expired(transaction)?;
    transaction.load(AGEING.map(|ageing| Key::of::<SweepCursor>(&ageing.cursor())))?;
    for ageing in AGEING {
        more |= ageing.sweep(transaction)?;
    }
    let interval = transaction.config().times.sweep;
    let due = if more { transaction.now() } else { transaction.now() + interval };
    transaction.schedule(Timer::Sweep, due);
    Ok(())
}

/// Drops records whose hour is over. Returns whether there may be more of them.
fn sweep_expired(transaction: &mut Transaction<'_>) -> Result<bool, Interrupt> {
    let limit = transaction.config().sizes.sweep_batch;
    let mut more = false;
    for kind in EXPIRING {
        // A row is of use during its hour, so those of the hours before this one go.
        let scan = Scan::hours(kind, Hour(0), transaction.now().hour(), limit);
        let expired = transaction.scan(scan)?;
        more |= expired.len() == limit;
        for key in expired {
            if let Some(set) = peer_keys::expired(&key) {
                transaction.delete_key(set);
            }
            transaction.delete_key(key);
        }
    }
    Ok(more)
}

impl AgeingKind {
    /// What names the row with this kind's cursor.
    const fn cursor(&self) -> u8 {
        self.kind as u8
    }

    /// Looks at the next few records of the kind. Returns whether some of them went and there are more.
    fn sweep(&self, transaction: &mut Transaction<'_>) -> Result<bool, Interrupt> {
        let limit = transaction.config().sizes.sweep_batch;
        let before = transaction.read::<SweepCursor>(&self.cursor())?.intact();
        let scan = match &before {
            Some(SweepCursor(last)) => Scan::after(self.kind, last.as_slice(), limit),
            None => Scan::kind(self.kind, limit),
        };
        let keys = transaction.scan(scan)?;
        transaction.snapshot().load(&keys)?;
        let mut dropped = false;
        for key in &keys {
            if (self.is_over)(transaction, key)? {
                transaction.delete_key(key.clone());
                dropped = true;
            }
        }
        let last = keys.last().filter(|_| keys.len() == limit);
        match last.and_then(|last| Bytes::new(last.to_bytes()).ok()) {
            Some(last) => transaction.put(&self.cursor(), &SweepCursor(last)),
            // The next sweep begins with the first record again.
            None if before.is_some() => transaction.delete::<SweepCursor>(&self.cursor()),
            None => {}
        }
        Ok(dropped && last.is_some())
    }
}
