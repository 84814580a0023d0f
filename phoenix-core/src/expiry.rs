//! protocol.md §10 — what has an expiry is keyed by the hour of it, so that sweeps find it by a bounded scan.

use tls_codec::{DeserializeBytes, Serialize, Size, TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    context::Context,
    operation::{Interrupt, Timer},
    store::{Key, RecordKind, Scan, Transaction},
    time::Hour,
    timers,
};

/// The name of a record that goes with the hour.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct Expiring<N: Size + Serialize + DeserializeBytes> {
    /// The hour in which the record is of use for the last time.
    pub hour: Hour,
    /// What names it besides.
    pub name: N,
}

/// The kinds of records whose names are [`Expiring`].
const EXPIRING: [RecordKind; 4] = [
    RecordKind::RememberedAnswer,
    RecordKind::Nullifier,
    RecordKind::PendingRegistration,
    RecordKind::GroupReservation,
];

/// Drops a bounded number of expired records, and comes back: at once if there may be more, else later.
pub(crate) fn sweep(transaction: &mut Transaction, context: &Context) -> Result<(), Interrupt> {
    let config = context.config();
    let limit = config.sizes.sweep_batch;
    let mut more = false;
    for kind in EXPIRING {
        // A row is of use during its hour, so those of the hours before this one go.
        let scan = Scan::hours(kind, Hour(0), context.now.hour(), limit);
        let expired: Vec<Key> = transaction.scan(scan)?;
        more |= expired.len() == limit;
        for key in expired {
            transaction.delete_key(key);
        }
    }
    let due = if more { context.now } else { context.now + config.times.sweep };
    timers::schedule(transaction, Timer::Sweep, due);
    Ok(())
}
