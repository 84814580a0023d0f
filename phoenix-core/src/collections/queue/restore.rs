//! PROTOCOL.md §3, Ratchets — queues that were restored from a backup: their owner has read what they do not
//! have.
//!
//! The owner's keys are past the positions that it has read. What took those positions since the restoration,
//! and what follows under a ratchet that may have gone another way, it cannot read: both go, and a new
//! generation starts behind all that was read.

use super::head::{Entry, FIRST_CHUNK, Head, Queue};
use crate::{
    codec::Flag,
    crypto::ratchet::QueueRatchet,
    error::Refusal,
    limits::MAX_ACKNOWLEDGED,
    operation::{Interrupt, Transaction},
    wire::queues::DequeueRange,
};

/// How many entries an owner can be ahead of its queue: no backup is that old.
const LONGEST_LEAD: u64 = 1 << 32;

impl<Q: Queue> Head<Q> {
    /// Whether the queue is the one that the owner has read. If the owner does not say what it has read last,
    /// the position alone decides.
    pub(super) fn is_continued(
        &self,
        transaction: &mut Transaction<'_>,
        name: &Q::Name,
        range: &DequeueRange,
    ) -> Result<bool, Interrupt> {
        let end = self.end();
        if range.first > end.saturating_add(LONGEST_LEAD) {
            return Err(Refusal::BeyondQueue.into());
        }
        let ahead = range.first > end || range.generation > self.ratchet.generation();
        if ahead || self.ending == Flag::Yes {
            return Ok(false);
        }
        let Some(last) = range.last.filter(|_| range.first >= self.first) else { return Ok(true) };
        if range.first == self.first {
            return Ok(self.last.is_none_or(|known| known == last));
        }
        // The entries that are wanted next come along.
        let next = range.first.saturating_add(FIRST_CHUNK).min(end);
        transaction.load((range.first - 1..next).map(|sequence| Entry::<Q>::key(name, sequence)))?;
        let entry = Entry::<Q>::get(transaction, name, range.first - 1)?;
        Ok(entry.is_some_and(|entry| entry.hash() == last))
    }

    /// Drops what the owner cannot read, and starts a new generation when all of it is gone. Returns how many
    /// entries are left to drop when the owner asks again.
    pub(super) fn start_generation(
        &mut self,
        transaction: &mut Transaction<'_>,
        name: &Q::Name,
        range: &DequeueRange,
    ) -> Result<u64, Refusal> {
        let end = self.end();
        let dropped = end.min(self.first.saturating_add(MAX_ACKNOWLEDGED));
        self.drop_entries(transaction, name, dropped);
        self.marked.clear();
        if dropped < end {
            self.ending = Flag::Yes;
            return Ok(end - dropped);
        }
        let first = end.max(range.first);
        let generation = self.ratchet.generation().max(range.generation).checked_add(1);
        let generation = generation.ok_or(Refusal::BeyondQueue)?;
        let (owner, associated) = (self.ratchet.owner(), Q::associated(name));
        let now = transaction.now();
        let started = QueueRatchet::start(transaction.random(), owner, &associated, generation, first, now)?;
        let entry;
        (self.ratchet, entry) = started;
        Entry::<Q>::put(transaction, name, entry);
        (self.first, self.last, self.ending) = (first, range.last, Flag::No);
        Ok(0)
    }
}
