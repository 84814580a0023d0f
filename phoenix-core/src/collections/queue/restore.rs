//! PROTOCOL.md §3 — queues that were restored from a backup: their owner has read what they do not have.
//!
//! The owner's keys are past the positions that it has read. What took those positions since the restoration, and
//! what follows under a ratchet that may have gone another way, it cannot read: both go, and a new generation
//! starts behind all that was read.

use super::{EntryName, FIRST_CHUNK, Queue, QueueHead, put_entry};
use crate::{
    codec::Flag,
    crypto::ratchet::{QueueEntry, QueueRatchet},
    error::Refusal,
    limits::MAX_ACKNOWLEDGED,
    operation::{Interrupt, Transaction},
    store::Key,
    wire::queues::DequeueRange,
};

/// So far an owner can be ahead of its queue: no backup is that old.
const LONGEST_LEAD: u64 = 1 << 32;

/// Whether the queue is the one that the owner has read. An owner that does not say what it has read last is told
/// by the position alone.
pub(super) fn is_continued<Q: Queue>(
    transaction: &mut Transaction<'_>,
    name: &Q::Name,
    head: &QueueHead,
    range: &DequeueRange,
) -> Result<bool, Interrupt> {
    let end = head.ratchet.next_sequence();
    if range.first > end.saturating_add(LONGEST_LEAD) {
        return Err(Refusal::BeyondQueue.into());
    }
    let ahead = range.first > end || range.generation > head.ratchet.generation();
    if ahead || head.ending == Flag::Yes {
        return Ok(false);
    }
    let Some(last) = range.last.filter(|_| range.first >= head.first) else { return Ok(true) };
    if range.first == head.first {
        return Ok(head.last.is_none_or(|known| known == last));
    }
    let entry_name = |sequence| EntryName { queue: name.clone(), sequence };
    // The entries that are wanted next come along.
    let next = range.first.saturating_add(FIRST_CHUNK).min(end);
    transaction.load((range.first - 1..next).map(|sequence| Key::of::<Q::Entry>(&entry_name(sequence))))?;
    let entry: Option<QueueEntry> =
        transaction.get::<Q::Entry>(&entry_name(range.first - 1))?.map(Into::into);
    Ok(entry.is_some_and(|entry| entry.hash() == last))
}

/// Drops what the owner cannot read, and starts a new generation when all of it is gone. Gives how many entries are
/// left to drop, when the owner asks again.
pub(super) fn start_generation<Q: Queue>(
    transaction: &mut Transaction<'_>,
    name: &Q::Name,
    (head, range): (&mut QueueHead, &DequeueRange),
) -> Result<u64, Refusal> {
    let end = head.ratchet.next_sequence();
    let dropped = end.min(head.first.saturating_add(MAX_ACKNOWLEDGED));
    for sequence in head.first..dropped {
        transaction.delete::<Q::Entry>(&EntryName { queue: name.clone(), sequence });
    }
    head.first = dropped;
    head.marked.clear();
    if dropped < end {
        head.ending = Flag::Yes;
        return Ok(end - dropped);
    }
    let first = end.max(range.first);
    let generation = head.ratchet.generation().max(range.generation).checked_add(1);
    let generation = generation.ok_or(Refusal::BeyondQueue)?;
    let (owner, associated) = (head.ratchet.owner(), Q::associated(name));
    let now = transaction.now();
    let started = QueueRatchet::start(transaction.random(), owner, &associated, generation, first, now)?;
    let entry;
    (head.ratchet, entry) = started;
    put_entry::<Q>(transaction, name, entry);
    (head.first, head.last, head.ending) = (first, range.last, Flag::No);
    Ok(0)
}
