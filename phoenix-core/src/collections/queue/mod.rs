//! PROTOCOL.md §3, §6, §7 — queues: what waits for a client, encrypted to it, in order and without gaps.
//!
//! One mechanism for the direct queues of the authentication service and the fan-out queues of the queuing
//! service. A head row counts the entries and holds the ratchet; each entry is a row of its own. The owner
//! reads from a position and thereby acknowledges all before it.

mod restore;

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    codec::{Codec, Flag, List},
    crypto::{
        hpke::HpkePublicKey,
        kdf::Hash,
        ratchet::{QueueEntry, QueueRatchet},
    },
    error::Refusal,
    limits::{MAX_ACKNOWLEDGED, MAX_DEQUEUE, MAX_LISTED_GROUPS},
    operation::{Interrupt, Transaction},
    store::{Key, Record},
    time::Timestamp,
    wire::queues::{DequeueRange, DequeueReply, queue_name},
};

/// The head of a queue.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct QueueHead {
    /// The ratchet; its next sequence number is the queue's end.
    ratchet: QueueRatchet,
    /// The oldest entry.
    first: u64,
    /// The hash of the entry before it, as the owner has read it; none if the owner did not say.
    last: Option<Hash>,
    /// Whether a new generation starts as soon as all entries of this one are dropped.
    ending: Flag,
    /// The memberships for which a gap marker waits that the owner has not read: one is enough.
    pub marked: List<Hash, MAX_MARKED>,
    /// What came in this minute.
    pub window: Window,
}

/// How many memberships can have a gap marker waiting in one queue.
pub(crate) const MAX_MARKED: usize = MAX_LISTED_GROUPS;

/// How much came in one minute, altogether and by membership. Bounded: memberships beyond the limit are
/// held to the overall count only.
#[derive(Debug, Default, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct Window {
    minute: u64,
    total: u32,
    memberships: List<Count, 64>,
}

#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct Count {
    membership: Hash,
    count: u32,
}

impl Window {
    /// Counts one delivery to `membership`, unless it is one too many.
    pub fn admit(&mut self, now: Timestamp, membership: &Hash, per_client: u32, per_membership: u32) -> bool {
        let minute = now.seconds() / 60;
        // A clock that is a little behind another node's still counts into that one's minute. What lies further
        // ahead was noted while a clock was wrong.
        if minute > self.minute || self.minute > minute + 1 {
            *self = Self { minute, total: 0, memberships: List::default() };
        }
        if self.total >= per_client {
            return false;
        }
        match self.memberships.iter_mut().find(|count| count.membership == *membership) {
            Some(count) if count.count >= per_membership => return false,
            Some(count) => count.count += 1,
            None => {
                let _ = self.memberships.push(Count { membership: *membership, count: 1 });
            }
        }
        self.total += 1;
        true
    }
}

impl QueueHead {
    /// How many entries wait.
    pub fn length(&self) -> u64 {
        self.ratchet.next_sequence().saturating_sub(self.first)
    }
}

/// Which records a kind of queue is kept in.
pub(crate) trait Queue {
    /// What names a queue.
    type Name: Codec + Clone;
    /// The row with the head.
    type Head: Record<Name = Self::Name> + AsMut<QueueHead> + From<QueueHead>;
    /// A row with an entry.
    type Entry: Record<Name = EntryName<Self::Name>> + Into<QueueEntry> + From<QueueEntry>;

    /// Which queues these are.
    const LABEL: &'static str;

    /// What entries are bound to: the queue's kind and name.
    fn associated(name: &Self::Name) -> Vec<u8> {
        queue_name(Self::LABEL, name)
    }
}

/// Names an entry of a queue.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct EntryName<N: Codec> {
    /// The queue.
    pub queue: N,
    /// The entry.
    pub sequence: u64,
}

/// Creates the queue: its first entry is the ratchet key, sealed to the owner.
pub(crate) fn create<Q: Queue>(
    transaction: &mut Transaction<'_>,
    name: &Q::Name,
    owner: HpkePublicKey,
) -> Result<(), Refusal> {
    let associated = Q::associated(name);
    let now = transaction.now();
    let (ratchet, entry) = QueueRatchet::start(transaction.random(), owner, &associated, 0, 0, now)?;
    put_entry::<Q>(transaction, name, entry);
    transaction.put(
        name,
        &Q::Head::from(QueueHead {
            ratchet,
            first: 0,
            last: None,
            ending: Flag::No,
            marked: List::default(),
            window: Window::default(),
        }),
    );
    Ok(())
}

/// Appends a message, after a rotation of the ratchet if one is due.
pub(crate) fn append<Q: Queue>(
    transaction: &mut Transaction<'_>,
    name: &Q::Name,
    head: &mut Q::Head,
    message: &[u8],
) -> Result<(), Refusal> {
    let associated = Q::associated(name);
    let interval = transaction.config().times.queue_rotation;
    let now = transaction.now();
    let ratchet = &mut head.as_mut().ratchet;
    if ratchet.rotation_due(now, interval) {
        let entry = ratchet.rotate(transaction.random(), &associated, now)?;
        put_entry::<Q>(transaction, name, entry);
    }
    let entry = ratchet.append(transaction.random(), &associated, message)?;
    put_entry::<Q>(transaction, name, entry);
    transaction.put(name, head);
    Ok(())
}

/// Reads from `range.first` on, and drops what lies before it.
///
/// Repeatable by nature: the same range gives the same entries, until a later one acknowledges them.
///
/// What the owner has read last must be what was there: if not, the queue was restored from a backup, and starts
/// a new generation.
pub(crate) fn dequeue<Q: Queue>(
    transaction: &mut Transaction<'_>,
    name: &Q::Name,
    range: &DequeueRange,
) -> Result<DequeueReply, Interrupt> {
    let mut row = transaction.get::<Q::Head>(name)?.ok_or(Refusal::Unauthenticated)?;
    let head = row.as_mut();
    let restored = !restore::is_continued::<Q>(transaction, name, head, range)?;
    if restored {
        let remaining = restore::start_generation::<Q>(transaction, name, (head, range))?;
        if remaining > 0 {
            transaction.put(name, &row);
            return Ok(DequeueReply { entries: List::default(), remaining });
        }
    }
    let end = head.ratchet.next_sequence();
    let start = range.first.max(head.first);
    let maximum = u64::from(range.maximum).min(MAX_DEQUEUE as u64);
    let wanted = start..end.min(start.saturating_add(maximum));
    let entry_name = |sequence| EntryName { queue: name.clone(), sequence };
    let mut entries = List::default();
    let mut size = 0;
    let (mut loaded, mut chunk) = (wanted.start, FIRST_CHUNK);
    for sequence in wanted.clone() {
        if sequence == loaded {
            loaded = loaded.saturating_add(chunk).min(wanted.end);
            transaction
                .load((sequence..loaded).map(|sequence| Key::of::<Q::Entry>(&entry_name(sequence))))?;
            chunk = (2 * chunk).min(LARGEST_CHUNK);
        }
        let entry = transaction.get::<Q::Entry>(&entry_name(sequence))?;
        let entry: QueueEntry = entry.ok_or(Refusal::StoredData { kind: Q::Entry::KIND as u8 })?.into();
        size += tls_codec::Size::tls_serialized_len(&entry);
        if size > MAX_REPLY && !entries.is_empty() {
            break;
        }
        // The range is no longer than the list.
        let _ = entries.push(entry);
    }
    let acknowledged = start.min(head.first.saturating_add(MAX_ACKNOWLEDGED));
    // The owner may have read a marker now: what goes missing from here on needs another one.
    let read_markers = !entries.is_empty() && !head.marked.is_empty();
    if acknowledged > head.first || read_markers || restored {
        for sequence in head.first..acknowledged {
            transaction.delete::<Q::Entry>(&entry_name(sequence));
        }
        if acknowledged > head.first {
            head.first = acknowledged;
            head.last = range.last.filter(|_| range.first == acknowledged);
        }
        if read_markers {
            head.marked.clear();
        }
        transaction.put(name, &row);
    }
    let remaining = end.saturating_sub(start).saturating_sub(entries.len() as u64);
    Ok(DequeueReply { entries, remaining })
}

/// The most bytes of entries in one reply; a larger entry comes alone.
const MAX_REPLY: usize = 4 << 20;

/// Entries are loaded until the reply is full: so many first, twice as many with each further round. How long they
/// are is not known before, and a sender chooses it: nobody can make the homeserver load hundreds of long ones.
const FIRST_CHUNK: u64 = 8;

/// The most entries loaded in one round, of up to 1 MiB each: [`MAX_DEQUEUE`] entries take ten rounds.
const LARGEST_CHUNK: u64 = 64;

fn put_entry<Q: Queue>(transaction: &mut Transaction<'_>, name: &Q::Name, entry: QueueEntry) {
    let name = EntryName { queue: name.clone(), sequence: entry.sequence };
    transaction.put(&name, &Q::Entry::from(entry));
}

/// Declares the records of a kind of queue.
macro_rules! queue {
    ($queue:ident, $name:ty, $head:ident, $entry:ident, $label:path) => {
        #[derive(Debug, tls_codec::TlsSize, tls_codec::TlsSerialize, tls_codec::TlsDeserializeBytes)]
        pub(crate) struct $head(crate::collections::queue::QueueHead);
        #[derive(Debug, tls_codec::TlsSize, tls_codec::TlsSerialize, tls_codec::TlsDeserializeBytes)]
        pub(crate) struct $entry(crate::crypto::ratchet::QueueEntry);

        impl crate::store::Record for $head {
            type Name = $name;
            const KIND: crate::store::RecordKind = crate::store::RecordKind::$head;
        }
        impl crate::store::Record for $entry {
            type Name = crate::collections::queue::EntryName<$name>;
            const KIND: crate::store::RecordKind = crate::store::RecordKind::$entry;
        }
        impl AsMut<crate::collections::queue::QueueHead> for $head {
            fn as_mut(&mut self) -> &mut crate::collections::queue::QueueHead {
                &mut self.0
            }
        }
        impl From<crate::collections::queue::QueueHead> for $head {
            fn from(head: crate::collections::queue::QueueHead) -> Self {
                Self(head)
            }
        }
        impl From<crate::crypto::ratchet::QueueEntry> for $entry {
            fn from(entry: crate::crypto::ratchet::QueueEntry) -> Self {
                Self(entry)
            }
        }
        impl From<$entry> for crate::crypto::ratchet::QueueEntry {
            fn from(entry: $entry) -> Self {
                entry.0
            }
        }

        /// The kind of queue.
        pub(crate) enum $queue {}

        impl crate::collections::queue::Queue for $queue {
            type Name = $name;
            type Head = $head;
            type Entry = $entry;
            const LABEL: &'static str = $label;
        }
    };
}
pub(crate) use queue;

#[cfg(test)]
mod tests {
    use super::*;

    /// Two nodes whose clocks differ by seconds, either side of a minute's border.
    #[test]
    fn clocks_that_differ_admit_nothing_twice_and_a_wrong_one_locks_nobody_out() {
        let at = |seconds: u64| Timestamp::from_milliseconds(seconds * 1000);
        let (mut window, one) = (Window::default(), [1; 32]);
        let mut admitted = 0;
        for _ in 0..10 {
            admitted += u32::from(window.admit(at(601), &one, 100, 3));
            admitted += u32::from(window.admit(at(599), &one, 100, 3));
        }
        assert_eq!(admitted, 3);
        window = Window { minute: 1_000_000, total: 100, memberships: List::default() };
        assert!(window.admit(at(601), &one, 100, 3));
    }
}
