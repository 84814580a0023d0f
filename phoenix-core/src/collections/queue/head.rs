//! PROTOCOL.md §3, Ratchets — the rows of a queue: a head, which counts entries and holds the ratchet, and
//! the entries behind it.

use std::marker::PhantomData;

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::deliveries::Deliveries;
use crate::{
    codec::{Codec, Flag, List},
    config::Plant,
    crypto::{
        hpke::HpkePublicKey,
        kdf::Hash,
        ratchet::{QueueEntry, QueueRatchet},
    },
    error::Refusal,
    limits::MAX_LISTED_GROUPS,
    operation::{Interrupt, Transaction},
    rates::Window,
    rng::Random,
    store::{Key, Record, RecordKind},
    wire::queues::queue_name,
};

/// A kind of queue.
pub(crate) trait Queue {
    /// What names a queue of this kind.
    type Name: Codec + Clone;

    /// The kind of its head's row.
    const HEAD: RecordKind;
    /// The kind of its entries' rows.
    const ENTRY: RecordKind;
    /// What sets its entries apart from those of other kinds of queues.
    const LABEL: &'static str;

    /// What entries are bound to: the queue's kind and name.
    fn associated(name: &Self::Name) -> Vec<u8> {
        queue_name(Self::LABEL, name)
    }
}

/// The head of a queue.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct Head<Q: Queue> {
    /// The ratchet; its next sequence number is the queue's end.
    pub(super) ratchet: QueueRatchet,
    /// The oldest entry.
    pub(super) first: u64,
    /// The hash of the entry before it, as the owner has read it; `None` if the owner did not say.
    pub(super) last: Option<Hash>,
    /// Whether a new generation starts as soon as all entries of this one are dropped.
    pub(super) ending: Flag,
    /// The memberships for which a gap marker waits that the owner has not read: one is enough.
    pub marked: List<Hash, MAX_MARKED>,
    /// What came in this minute.
    pub window: Window<Deliveries>,
    kind: PhantomData<Q>,
}

impl<Q: Queue> Record for Head<Q> {
    type Name = Q::Name;
    const KIND: RecordKind = Q::HEAD;
}

/// An entry of a queue.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Entry<Q: Queue> {
    pub entry: QueueEntry,
    kind: PhantomData<Q>,
}

impl<Q: Queue> Record for Entry<Q> {
    type Name = EntryName<Q::Name>;
    const KIND: RecordKind = Q::ENTRY;
}

impl<Q: Queue> Entry<Q> {
    /// The row of the entry with this sequence number.
    pub fn key(queue: &Q::Name, sequence: u64) -> Key {
        Key::of::<Self>(&EntryName { queue: queue.clone(), sequence })
    }

    /// Returns the entry with this sequence number. `None` if it is lost or damaged: its owner goes on with
    /// the next one.
    pub fn get(
        transaction: &mut Transaction<'_>,
        queue: &Q::Name,
        sequence: u64,
    ) -> Result<Option<QueueEntry>, Interrupt> {
        let row = transaction.read::<Self>(&EntryName { queue: queue.clone(), sequence })?.intact();
        Ok(row.map(|row| row.entry))
    }

    pub fn put(transaction: &mut Transaction<'_>, queue: &Q::Name, entry: QueueEntry) {
        let name = EntryName { queue: queue.clone(), sequence: entry.sequence };
        transaction.put(&name, &Self { entry, kind: PhantomData });
    }
}

/// Names an entry of a queue.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct EntryName<N: Codec> {
    /// The queue.
    pub queue: N,
    /// The entry's place in it.
    pub sequence: u64,
}

impl<Q: Queue> Head<Q> {
    /// Creates the queue `name`: its first entry is the ratchet key, sealed to the owner.
    ///
    /// # Errors
    /// A refusal if nothing can be sealed to the owner's key.
    pub fn create(
        transaction: &mut Transaction<'_>,
        name: &Q::Name,
        owner: HpkePublicKey,
    ) -> Result<(), Refusal> {
        let associated = Q::associated(name);
        let now = transaction.now();
        let (ratchet, entry) = QueueRatchet::start(transaction.random(), owner, &associated, 0, 0, now)?;
        Entry::<Q>::put(transaction, name, entry);
        let head = Self {
            ratchet,
            first: 0,
            last: None,
            ending: Flag::No,
            marked: List::default(),
            window: Window::default(),
            kind: PhantomData,
        };
        transaction.put(name, &head);
        Ok(())
    }

    /// How many entries wait.
    pub fn length(&self) -> u64 {
        self.end().saturating_sub(self.first)
    }

    /// The sequence number of the entry that comes next.
    pub(super) const fn end(&self) -> u64 {
        self.ratchet.next_sequence()
    }

    /// Appends a message, after a rotation of the ratchet if one is due.
    ///
    /// # Errors
    /// A refusal if the message is too long for an entry.
    pub fn append(
        &mut self,
        transaction: &mut Transaction<'_>,
        name: &Q::Name,
        message: &[u8],
    ) -> Result<(), Refusal> {
        let associated = Q::associated(name);
        let interval = transaction.config().times.queue_rotation;
        let now = transaction.now();
        if self.ratchet.rotation_due(now, interval) && !transaction.planted(Plant::NeverRotate) {
            let entry = self.ratchet.rotate(transaction.random(), &associated, now)?;
            Entry::<Q>::put(transaction, name, entry);
        }
        let entry = if transaction.planted(Plant::FixedNonce) {
            self.ratchet.append(&mut Random::from_seed([0; 32]), &associated, message)?
        } else {
            self.ratchet.append(transaction.random(), &associated, message)?
        };
        Entry::<Q>::put(transaction, name, entry);
        transaction.put(name, self);
        Ok(())
    }

    /// Drops the entries before `end`.
    pub(super) fn drop_entries(&mut self, transaction: &mut Transaction<'_>, name: &Q::Name, end: u64) {
        for sequence in self.first..end {
            transaction.delete::<Entry<Q>>(&EntryName { queue: name.clone(), sequence });
        }
        self.first = self.first.max(end);
    }
}

/// How many entries are loaded first when a queue is read; twice as many in each further round, until the
/// reply is full. How long they are is not known before, and a sender chooses it: no sender can make the
/// homeserver load hundreds of long ones.
pub(super) const FIRST_CHUNK: u64 = 8;

/// How many memberships can have a gap marker waiting in one queue.
pub(crate) const MAX_MARKED: usize = MAX_LISTED_GROUPS;
