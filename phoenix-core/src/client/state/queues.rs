//! PROTOCOL.md §11.7 — the queues as the client reads them, and entries that are not followed yet.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};
use zeroize::Zeroizing;

use crate::{
    client::records::{ClientRecordKind, Record},
    crypto::{
        hpke::HpkePrivateKey,
        ratchet::{QueueEntry, QueueEntryContent, QueueReadError, QueueReader},
    },
    identifiers::GroupId,
    limits::MAX_DEQUEUE,
    time::Timestamp,
    wire::{
        fan_out::{Delivery, Gap},
        queues::{DequeueRange, DequeueReply},
    },
};

/// A queue as the client reads it.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct OwnQueue {
    reader: QueueReader,
    /// The generation of an entry that could not be read: only a later one can be.
    lost_generation: Option<u32>,
    /// Up to which entry it is known, and said, that others have read the queue.
    missed: u64,
}

/// What a reply to a reading brings.
pub(crate) struct Brought {
    /// The messages, decrypted, and what is to be told of the others.
    pub entries: Vec<BroughtEntry>,
    /// Whether entries were acknowledged that this reader has not read, more than was known before.
    pub is_outdated: bool,
}

/// What an entry of a queue brings.
pub(crate) enum BroughtEntry {
    Message(Zeroizing<Vec<u8>>),
    /// The homeserver has begun a new generation of the queue.
    Restored,
    /// The entry with this sequence number cannot be decrypted.
    Unreadable(u64),
}

impl OwnQueue {
    pub const fn new(private_key: HpkePrivateKey) -> Self {
        Self { reader: QueueReader::new(private_key), lost_generation: None, missed: 0 }
    }

    pub const fn reader(&self) -> &QueueReader {
        &self.reader
    }

    /// Whether the next reading asks for a new generation.
    pub const fn is_lost(&self) -> bool {
        self.lost_generation.is_some()
    }

    /// Returns what to ask for.
    pub fn range(&self) -> DequeueRange {
        let generation = self.lost_generation.map_or(self.reader.generation(), |lost| lost.saturating_add(1));
        DequeueRange {
            first: self.reader.next_sequence(),
            maximum: MAX_DEQUEUE as u32,
            generation,
            last: self.reader.last(),
        }
    }

    /// Decrypts what came.
    pub fn open(&mut self, name: &[u8], reply: &DequeueReply) -> Brought {
        let (next, generation) = (self.reader.next_sequence(), self.reader.generation());
        let begins_anew = reply.entries.first().is_some_and(|entry| {
            entry.generation > generation && matches!(entry.content, QueueEntryContent::RatchetKey(_))
        });
        let is_outdated = reply.first > next.max(self.missed) && !begins_anew;
        if is_outdated {
            self.missed = reply.first;
        }
        self.lost_generation = None;
        let entries = reply.entries.iter().filter_map(|entry| self.open_entry(name, entry)).collect();
        Brought { entries, is_outdated }
    }

    fn open_entry(&mut self, name: &[u8], entry: &QueueEntry) -> Option<BroughtEntry> {
        let generation = self.reader.generation();
        match self.reader.open_or_skip(name, entry) {
            Ok(Some(plain)) => Some(BroughtEntry::Message(plain)),
            Ok(None) if entry.generation > generation => Some(BroughtEntry::Restored),
            Ok(None) | Err(QueueReadError::AlreadyRead) => None,
            Err(_) => {
                self.lost_generation = Some(entry.generation);
                Some(BroughtEntry::Unreadable(entry.sequence))
            }
        }
    }
}

/// The direct queue.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct DirectQueue(pub OwnQueue);

impl Record for DirectQueue {
    const KIND: ClientRecordKind = ClientRecordKind::DirectQueue;
    type Key = ();
}

/// The fan-out queue; `None` before the client has one.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct FanOutQueue(pub Option<OwnQueue>);

impl Record for FanOutQueue {
    const KIND: ClientRecordKind = ClientRecordKind::FanOutQueue;
    type Key = ();
}

/// Which entries of a group's inbox there are: from `first` up to, but without, `next`. A group has an inbox
/// from its invitation or creation on.
#[derive(Debug, Clone, Copy, Default, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct Inbox {
    pub first: u64,
    pub next: u64,
}

impl Record for Inbox {
    const KIND: ClientRecordKind = ClientRecordKind::Inbox;
    type Key = GroupId;
}

/// An entry of a group's inbox, which waits to be followed.
#[derive(Clone, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub(crate) enum InboxEntry {
    #[tls_codec(discriminant = 1)]
    Delivery(Delivery),
    #[tls_codec(discriminant = 2)]
    Gap(Gap),
}

impl Record for InboxEntry {
    const KIND: ClientRecordKind = ClientRecordKind::InboxEntry;
    type Key = (GroupId, u64);
}

impl InboxEntry {
    pub fn position(&self) -> u64 {
        match self {
            Self::Delivery(delivery) => delivery.position,
            Self::Gap(gap) => gap.position,
        }
    }
}

/// What a receipt says of a commit or message that was ordered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Confirmation {
    pub position: u64,
    pub epoch: u64,
    pub sent_at: Timestamp,
}
