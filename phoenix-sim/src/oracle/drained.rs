//! R3 — after faults end, all logs and outboxes drain within a bound.

use phoenix_core::store::RecordKind;

use super::Violation;
use crate::disk::Disk;

/// What is left on its way at a homeserver.
///
/// # Errors
/// If anything is.
pub fn check(domain: &str, disk: &Disk) -> Result<(), Violation> {
    for kind in [RecordKind::FanOutRow, RecordKind::OutboundEntry] {
        let count = disk.count(kind);
        if count > 0 {
            let what = format!("{count} rows of kind {kind:?} are left at {domain}");
            return Err(Violation::now("drained", what));
        }
    }
    Ok(())
}
