//! PROTOCOL.md §9, Outbox — what waited for too long goes, whether the peer can be told or not.

use std::ops::Range;

use super::rows::{OutboundEnd, OutboundEntry, OutboundStart};
use crate::{
    federation::peer,
    identifiers::StreamName,
    operation::{Effect, Interrupt, Report, Timer, Transaction},
    store::Key,
    time::Timestamp,
};

/// How many entries are looked at in one step: their content can be large.
const STEP: u64 = 32;

/// Drops the content of entries that are too old, and when they are twice as old, their rows with whom to tell: a
/// step of it. Whether there was anything to drop; then there may be more, and the timer runs again at once.
pub(super) fn age(
    transaction: &mut Transaction<'_>,
    name: &StreamName,
    (start, end): (&mut OutboundStart, &OutboundEnd),
) -> Result<bool, Interrupt> {
    let age = transaction.config().times.outbox_age;
    let first = start.first.max(end.present);
    let rows = older(transaction, name, first..end.next, transaction.now() - 2 * age)?;
    for sequence in first..rows {
        transaction.delete::<OutboundEntry>(&name.entry(sequence));
    }
    if rows > first {
        // Whoever still expects them is passed over them.
        start.skip_from.get_or_insert(start.first);
        (start.first, start.claimed) = (rows, None);
    }
    let begin = start.aged.max(end.kept).max(rows);
    let contents = older(transaction, name, begin..end.next, transaction.now() - age)?;
    let mut count = 0;
    for sequence in begin..contents {
        // Not read for good: appending drops contents, too, and is not to be disturbed.
        let entry = transaction.snapshot().read::<OutboundEntry>(&name.entry(sequence))?.intact();
        if let Some(entry) = entry.filter(|entry| entry.content.is_some()) {
            transaction.put(&name.entry(sequence), &OutboundEntry { content: None, ..entry });
            count += 1;
        }
    }
    start.aged = contents;
    if count > 0 {
        let since = peer::failing_since(transaction, &name.destination)?.unwrap_or(transaction.now());
        let report = Report::OutboxDropped { destination: name.destination.clone(), count, since };
        transaction.effect(Effect::Report(report));
    }
    if rows == first && contents == begin {
        return Ok(false);
    }
    transaction.put(name, &*start);
    transaction.schedule(Timer::Deliver(name.clone()), transaction.now());
    Ok(true)
}

/// The end of those that were appended before `oldest`, at the head of `range`: a step of them.
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
