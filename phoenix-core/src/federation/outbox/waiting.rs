//! PROTOCOL.md §9, Outbox — what stands at a stream's start and goes into one frame: entries to deliver, or
//! entries to pass over.

use tls_codec::Size as _;

use super::{
    answers::Sent,
    rows::{MAX_FRAME_CONTENT, OutboundEntry, OutboundStart, OutboundStream},
};
use crate::{
    codec::List,
    crypto::ratchet::RatchetCiphertext,
    limits::MAX_STREAM_EPOCH,
    operation::{Interrupt, Transaction},
    store::Key,
    wire::federation::DroppedMessage,
};

/// The number of entries that are loaded first: the largest ones fill a frame.
const FIRST_LOADED: u64 = 8;

/// What goes into one frame.
pub(super) struct Waiting {
    pub entries: List<RatchetCiphertext, { MAX_STREAM_EPOCH as usize }>,
    pub dropped: List<DroppedMessage, { MAX_STREAM_EPOCH as usize }>,
    pub sent: Sent,
    /// The bytes of `entries` or `dropped`.
    size: usize,
    /// Whether entries are passed over. A skip comes first, and alone.
    skips: bool,
}

/// What an entry's row holds.
enum Found {
    /// Something to deliver.
    Content { epoch: u64, content: RatchetCiphertext },
    /// The entry is dropped, or no one can read it any more: its recipients are to be told.
    Dropped(DroppedMessage),
    /// The row is lost: no recipient can be told, and the entries behind it go on.
    Lost,
}

impl OutboundStream {
    /// What goes into the next frame.
    pub fn waiting(&self, transaction: &mut Transaction<'_>) -> Result<Waiting, Interrupt> {
        let Self { name, start, end } = self;
        let limit = transaction.config().sizes.batch_entries.clamp(1, MAX_STREAM_EPOCH);
        // The rows of entries before that are dropped: there is nothing to read of them.
        let first = start.next().max(end.present);
        let range = first..end.next.min(first.saturating_add(limit));
        let mut waiting = Waiting {
            entries: List::default(),
            dropped: List::default(),
            sent: Sent { through: first, epoch: None },
            size: 0,
            skips: first > start.next() || start.skip_from.is_some(),
        };
        let mut loaded = first;
        for sequence in range.clone() {
            if sequence == loaded {
                // A frame is full after a few large entries or after many small ones: so ever more at once.
                loaded = range.end.min(first + (4 * (loaded - first)).max(FIRST_LOADED));
                let keys = (sequence..loaded).map(|sequence| Key::of::<OutboundEntry>(&name.entry(sequence)));
                transaction.snapshot().load(&keys.collect::<Vec<_>>())?;
            }
            // On a snapshot: an entry only ever loses its content or goes, as the oldest does when one is
            // appended over the bound, and that must not hold up this delivery each time.
            let entry = transaction.snapshot().read::<OutboundEntry>(&name.entry(sequence))?.intact();
            if !waiting.add(entry.map_or(Found::Lost, |entry| entry.found(start))) {
                break;
            }
            waiting.sent.through = sequence + 1;
        }
        Ok(waiting)
    }
}

impl Waiting {
    /// Adds what the next entry's row holds. Returns `false` if it does not belong into this frame.
    fn add(&mut self, found: Found) -> bool {
        match found {
            Found::Content { epoch, content } => {
                let length = content.tls_serialized_len();
                let of_epoch = |first| first == epoch && self.size + length <= MAX_FRAME_CONTENT;
                let fits = self.sent.epoch.is_none_or(of_epoch);
                if self.skips || !fits || self.entries.push(content).is_err() {
                    return false;
                }
                self.sent.epoch = Some(epoch);
                self.size += length;
            }
            Found::Dropped(_) | Found::Lost if self.sent.epoch.is_some() => return false,
            Found::Dropped(message) => {
                let length = message.tls_serialized_len();
                let fits = self.dropped.is_empty() || self.size + length <= MAX_FRAME_CONTENT;
                if !fits || self.dropped.push(message).is_err() {
                    return false;
                }
                self.skips = true;
                self.size += length;
            }
            Found::Lost => self.skips = true,
        }
        true
    }
}

impl OutboundStart {
    /// The entry that the next frame begins with.
    pub fn next(&self) -> u64 {
        self.claimed.map_or(self.first, |claimed| claimed.saturating_sub(1).max(self.first))
    }
}

impl OutboundEntry {
    fn found(self, start: &OutboundStart) -> Found {
        let lost = start.lost_epoch.is_some_and(|lost| self.epoch <= lost);
        match self.content {
            Some(content) if !lost => Found::Content { epoch: self.epoch, content },
            _ => Found::Dropped(self.recipients),
        }
    }
}
