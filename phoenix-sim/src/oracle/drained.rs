//! R3 — after the faults end, all logs and outboxes drain within a bound (see the world's `settling`).

use phoenix_core::store::RecordKind;

use super::violation::Violation;
use crate::disk::Disk;

/// Checks that the store of `domain` holds nothing that is still to be delivered.
///
/// # Errors
/// How many rows are left, of the first kind of which there are any.
pub fn check(domain: &str, disk: &Disk) -> Result<(), Violation> {
    for kind in [RecordKind::FanOutRow, RecordKind::OutboundEntry] {
        let count = disk.rows.count(kind);
        if count > 0 {
            let what = format!("{count} rows of kind {kind:?} are left at {domain}");
            let should =
                "What waits for other homeservers has been delivered by now, and logs are distributed.";
            return Err(Violation::now("drained", what, should));
        }
    }
    Ok(())
}
