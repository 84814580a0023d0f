//! PROTOCOL.md §9, Outbox — the rows of a stream to another homeserver.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    credentials::KeyId,
    crypto::{
        hpke::HpkeCiphertext,
        kdf,
        labels::Label,
        ratchet::{RatchetCiphertext, RatchetSecret},
    },
    federation::stream::Chain,
    identifiers::{Domain, StreamId, StreamName},
    operation::{Context, Interrupt, Timer, Transaction},
    rates::StoredTime,
    store::{Record, RecordKind},
    time::Timestamp,
    wire::{fan_out::FanOutMessage, federation::DroppedMessage},
};

/// The most bytes of entries, or of recipients to tell, in one frame; a larger entry goes alone.
pub(super) const MAX_FRAME_CONTENT: usize = 4 << 20;

/// Where entries are appended: written by the distributor alone.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct OutboundEnd {
    pub stream_id: StreamId,
    /// The next entry.
    pub next: u64,
    /// Where the current epoch's ratchet stands; `None` before the first entry.
    pub chain: Option<Chain>,
    /// When the current epoch began.
    pub epoch_started: Timestamp,
    /// The current epoch's first entry.
    pub epoch_first: u64,
    /// The contents of entries before this one are dropped: there were too many.
    pub kept: u64,
    /// The rows of entries before this one are dropped: there were far too many.
    pub present: u64,
}

impl Record for OutboundEnd {
    type Name = StreamName;
    const KIND: RecordKind = RecordKind::OutboundEnd;
}

/// From where entries are delivered: a row of its own, so that delivering and appending never conflict.
#[derive(Debug, Default, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct OutboundStart {
    /// The oldest undelivered entry.
    pub first: u64,
    /// The oldest entry that the peer still expects although its row is gone here: a skip begins there.
    pub skip_from: Option<u64>,
    /// The peer answered that it has everything before this position, although the frame ended earlier. The
    /// entry before the position is sent next: the answer shows whether the peer has the same entries as this
    /// store.
    pub claimed: Option<u64>,
    /// No one can read the entries of this epoch and those before it any more.
    pub lost_epoch: Option<u64>,
    /// The contents of entries before this one are dropped: they were too old.
    pub aged: u64,
    /// The oldest epoch whose row may still be there.
    pub oldest_epoch: u64,
    /// How many answers in a row brought nothing forward.
    pub stalled: u32,
    /// Not to be delivered before: the peer limits the rate, or its answers make no sense.
    pub wait_until: StoredTime,
}

impl Record for OutboundStart {
    type Name = StreamName;
    const KIND: RecordKind = RecordKind::OutboundStart;
}

/// A stream that is being delivered.
pub(super) struct OutboundStream {
    pub name: StreamName,
    pub start: OutboundStart,
    /// May be a little old: an entry that is there stays until it is delivered.
    pub end: OutboundEnd,
}

impl OutboundStream {
    /// Writes the stream's start.
    pub fn put_start(&self, transaction: &mut Transaction<'_>) {
        transaction.put(&self.name, &self.start);
    }

    /// Has the stream delivered further at `due`.
    pub fn schedule(&self, transaction: &mut Transaction<'_>, due: Timestamp) {
        transaction.schedule(Timer::Deliver(self.name.clone()), due);
    }
}

/// One epoch: what the receiver needs to read it.
#[derive(Debug, Clone, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct OutboundEpoch {
    pub first_sequence: u64,
    pub seed: Seed,
}

/// The seed of an epoch.
#[derive(Debug, Clone, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub(super) enum Seed {
    /// In the clear, as long as the peer's key is not known. The row is sealed under the service key.
    #[tls_codec(discriminant = 1)]
    Pending(RatchetSecret),
    /// Sealed to the peer, which alone can read the epoch from now on.
    #[tls_codec(discriminant = 2)]
    Sealed(SealedSeed),
}

#[derive(Debug, Clone, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct SealedSeed {
    pub key_id: KeyId,
    pub seed: HpkeCiphertext,
}

#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct EpochName {
    pub stream: StreamName,
    pub epoch: u64,
}

impl Record for OutboundEpoch {
    type Name = EpochName;
    const KIND: RecordKind = RecordKind::OutboundEpoch;
}

/// An entry that waits.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct OutboundEntry {
    pub epoch: u64,
    pub appended_at: Timestamp,
    /// The encrypted message; `None` once it is dropped.
    pub content: Option<RatchetCiphertext>,
    /// Whom to tell if it is dropped.
    pub recipients: DroppedMessage,
}

#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct EntryName {
    pub stream: StreamName,
    pub sequence: u64,
}

impl Record for OutboundEntry {
    type Name = EntryName;
    const KIND: RecordKind = RecordKind::OutboundEntry;
}

impl StreamName {
    /// The stream that a group's messages take.
    pub(super) fn of(context: &Context, destination: &Domain, message: &FanOutMessage) -> Self {
        let shards = context.config().sizes.stream_shards.max(1);
        let shard = kdf::hash(Label::ROW_NAME, &[&message.group_id.uuid.0])[0] % shards;
        Self { destination: destination.clone(), shard }
    }

    pub(super) fn entry(&self, sequence: u64) -> EntryName {
        EntryName { stream: self.clone(), sequence }
    }

    pub(super) fn epoch(&self, epoch: u64) -> EpochName {
        EpochName { stream: self.clone(), epoch }
    }
}

/// Drops the content of an entry; whom to tell stays.
pub(super) fn drop_content(
    transaction: &mut Transaction<'_>,
    name: &StreamName,
    sequence: u64,
) -> Result<(), Interrupt> {
    let entry_name = name.entry(sequence);
    if let Some(mut entry) = transaction.read::<OutboundEntry>(&entry_name)?.intact() {
        entry.content = None;
        transaction.put(&entry_name, &entry);
    }
    Ok(())
}
