//! PROTOCOL.md §6, Reading a queue — entries from a position on; those before it are acknowledged.

use std::ops::Range;

use super::head::{Entry, FIRST_CHUNK, Head, Queue};
use crate::{
    codec::List,
    config::Plant,
    crypto::ratchet::QueueEntry,
    error::Refusal,
    limits::{MAX_ACKNOWLEDGED, MAX_DEQUEUE},
    operation::{Interrupt, Transaction},
    wire::queues::{DequeueRange, DequeueReply},
};

/// Reads from `range.first` on, and drops what lies before it.
///
/// Repeatable by nature: the same range returns the same entries, until a later one acknowledges them.
///
/// What the owner has read last must be what was there: if not, the queue was restored from a backup, and
/// starts a new generation.
///
/// # Errors
/// [`Interrupt`]; refuses with [`Refusal::Unauthenticated`] if there is no such queue, with
/// [`Refusal::BeyondQueue`] if the owner is further ahead than any backup is old.
pub(crate) fn dequeue<Q: Queue>(
    transaction: &mut Transaction<'_>,
    name: &Q::Name,
    range: &DequeueRange,
) -> Result<DequeueReply, Interrupt> {
    let mut head: Head<Q> = transaction.get(name)?.ok_or(Refusal::Unauthenticated)?;
    let continued = head.is_continued(transaction, name, range)?;
    let restored = !continued && !transaction.planted(Plant::KeepGeneration);
    if restored {
        let remaining = head.start_generation(transaction, name, range)?;
        if remaining > 0 {
            transaction.put(name, &head);
            return Ok(DequeueReply { first: range.first, entries: List::default(), remaining });
        }
    }
    let (oldest, end) = (head.first, head.end());
    let start = range.first.max(oldest);
    let maximum = u64::from(range.maximum).min(MAX_DEQUEUE as u64);
    let entries = read::<Q>(transaction, name, start..end.min(start.saturating_add(maximum)))?;
    let acknowledged = start.min(head.first.saturating_add(MAX_ACKNOWLEDGED));
    // The owner may have read a marker now: what goes missing from here on needs another one.
    let read_markers = !entries.is_empty() && !head.marked.is_empty();
    if acknowledged > head.first || read_markers || restored {
        if acknowledged > head.first {
            head.drop_entries(transaction, name, acknowledged);
            head.last = range.last.filter(|_| range.first == acknowledged);
        }
        if read_markers {
            head.marked.clear();
        }
        transaction.put(name, &head);
    }
    let remaining = end.saturating_sub(start).saturating_sub(entries.len() as u64);
    Ok(DequeueReply { first: oldest, entries, remaining })
}

/// The most bytes of entries in one reply; a larger entry comes alone.
const MAX_REPLY: usize = 4 << 20;

/// The most entries loaded in one round, of up to 1 MiB each: [`MAX_DEQUEUE`] entries take ten rounds.
const LARGEST_CHUNK: u64 = 64;

/// The entries of `wanted`, as many as fit into a reply.
fn read<Q: Queue>(
    transaction: &mut Transaction<'_>,
    name: &Q::Name,
    wanted: Range<u64>,
) -> Result<List<QueueEntry, MAX_DEQUEUE>, Interrupt> {
    let mut entries = List::default();
    let mut size = 0;
    let (mut loaded, mut chunk) = (wanted.start, FIRST_CHUNK);
    for sequence in wanted.clone() {
        if sequence == loaded {
            loaded = loaded.saturating_add(chunk).min(wanted.end);
            transaction.load((sequence..loaded).map(|sequence| Entry::<Q>::key(name, sequence)))?;
            chunk = (2 * chunk).min(LARGEST_CHUNK);
        }
        // The owner passes over what is lost, and its groups notice.
        let Some(entry) = Entry::<Q>::get(transaction, name, sequence)? else { continue };
        size += tls_codec::Size::tls_serialized_len(&entry);
        if size > MAX_REPLY && !entries.is_empty() {
            break;
        }
        // The range is no longer than the list.
        let _ = entries.push(entry);
    }
    Ok(entries)
}
