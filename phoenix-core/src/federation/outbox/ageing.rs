//! PROTOCOL.md §9, Outbox — what has waited for too long goes, whether the peer is reachable or not.

use std::ops::Range;

use super::rows::{OutboundEntry, OutboundStream};
use crate::{
    federation::peer,
    identifiers::StreamName,
    operation::{Effect, Interrupt, Report, Transaction},
    store::Key,
    time::Timestamp,
};

/// The number of entries looked at in one step: their content can be large.
const STEP: u64 = 32;

impl OutboundStream {
    /// Drops the content of entries that are too old, and the rows of those that are twice as old, with whom
    /// to tell: a step of them. Returns whether there was anything to drop; then there may be more, and the
    /// timer runs again at once.
    pub fn age(&mut self, transaction: &mut Transaction<'_>) -> Result<bool, Interrupt> {
        let (name, end) = (&self.name, &self.end);
        let (now, age) = (transaction.now(), transaction.config().times.outbox_age);
        let first = self.start.first.max(end.present);
        let rows = older(transaction, name, first..end.next, now - 2 * age)?;
        for sequence in first..rows {
            transaction.delete::<OutboundEntry>(&name.entry(sequence));
        }
        if rows > first {
            // A peer that still expects them is told to pass over them.
            self.start.skip_from.get_or_insert(self.start.first);
            (self.start.first, self.start.claimed) = (rows, None);
        }
        let begin = self.start.aged.max(end.kept).max(rows);
        let contents = older(transaction, name, begin..end.next, now - age)?;
        drop_contents(transaction, name, begin..contents)?;
        self.start.aged = contents;
        if rows == first && contents == begin {
            return Ok(false);
        }
        self.put_start(transaction);
        self.schedule(transaction, now);
        Ok(true)
    }
}

/// Drops the contents of these entries, and reports how many.
fn drop_contents(
    transaction: &mut Transaction<'_>,
    name: &StreamName,
    range: Range<u64>,
) -> Result<(), Interrupt> {
    let mut count = 0;
    for sequence in range {
        // On a snapshot: appending drops contents, too, and must not conflict.
        let entry = transaction.snapshot().read::<OutboundEntry>(&name.entry(sequence))?.intact();
        if let Some(entry) = entry.filter(|entry| entry.content.is_some()) {
            transaction.put(&name.entry(sequence), &OutboundEntry { content: None, ..entry });
            count += 1;
        }
    }
    if count > 0 {
        let since = peer::failing_since(transaction, &name.destination)?.unwrap_or(transaction.now());
        let report = Report::OutboxDropped { destination: name.destination.clone(), count, since };
        transaction.effect(Effect::Report(report));
    }
    Ok(())
}

/// The end of the entries at the head of `range` that were appended before `oldest`: of one step of them at
/// most.
fn older(
    transaction: &mut Transaction<'_>,
    name: &StreamName,
    range: Range<u64>,
    oldest: Timestamp,
) -> Result<u64, Interrupt> {
    // Most often the first one says that there is nothing to do.
    let young = |transaction: &mut Transaction<'_>, sequence| {
        let entry = transaction.snapshot().read::<OutboundEntry>(&name.entry(sequence))?.intact();
        Ok::<_, Interrupt>(entry.is_some_and(|entry| entry.appended_at >= oldest))
    };
    if range.is_empty() || young(transaction, range.start)? {
        return Ok(range.start);
    }
    let step = range.start..range.end.min(range.start + STEP);
    let keys = step.clone().map(|sequence| Key::of::<OutboundEntry>(&name.entry(sequence)));
    transaction.snapshot().load(&keys.collect::<Vec<_>>())?;
    for sequence in step.clone() {
        if young(transaction, sequence)? {
            return Ok(sequence);
        }
    }
    Ok(step.end)
}
