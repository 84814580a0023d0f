//! What oracles read of rows that count others: heads of queues and pools, ends of streams, progress of logs.
//!
//! Each type reads the first fields of a record, in the order in which the core encodes them.

use super::fields::Fields;

/// A ratchet key.
pub type Secret = [u8; 32];

/// The head of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueHead {
    /// The generation of the ratchet.
    pub generation: u32,
    /// Where the queue ends: the sequence number of the entry that comes next.
    pub end: u64,
    /// The ratchet key with which the next entry is made.
    pub secret: Secret,
    /// When the ratchet was rotated last, in milliseconds.
    pub rotated_at: u64,
    /// The oldest entry.
    pub first: u64,
}

impl QueueHead {
    /// Reads the head.
    pub fn read(mut fields: Fields<'_>) -> Option<Self> {
        let (generation, end) = (fields.u32()?, fields.u64()?);
        let (secret, rotated_at) = (fields.array()?, fields.u64()?);
        let _owner: [u8; 32] = fields.array()?;
        Some(Self { generation, end, secret, rotated_at, first: fields.u64()? })
    }
}

/// The head of a pool: which packages there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolHead {
    /// The package that is handed out next.
    pub next: u64,
    /// The last one.
    pub last: u64,
}

impl PoolHead {
    /// Reads the head.
    pub fn read(mut fields: Fields<'_>) -> Option<Self> {
        Some(Self { next: fields.u64()?, last: fields.u64()? })
    }
}

/// A position in the ratchet of a stream's epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The epoch.
    pub epoch: u64,
    /// The ratchet key at `sequence`.
    pub secret: Secret,
    /// The entry that comes next.
    pub sequence: u64,
}

impl Chain {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self { epoch: fields.u64()?, secret: fields.array()?, sequence: fields.u64()? })
    }
}

/// The end of an outbound stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamEnd {
    /// The stream's id.
    pub stream_id: [u8; 16],
    /// The entry that comes next.
    pub next: u64,
    /// The ratchet; `None` before the first entry.
    pub chain: Option<Chain>,
    /// When the epoch began, in milliseconds.
    pub epoch_started: u64,
    /// The oldest entry whose row there may be.
    pub present: u64,
}

impl StreamEnd {
    /// Reads the end.
    pub fn read(mut fields: Fields<'_>) -> Option<Self> {
        let (stream_id, next) = (fields.array()?, fields.u64()?);
        let (chain, epoch_started) = (fields.optional(Chain::read)?, fields.u64()?);
        let (_epoch_first, _kept) = (fields.u64()?, fields.u64()?);
        Some(Self { stream_id, next, chain, epoch_started, present: fields.u64()? })
    }
}

/// The start of an outbound stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamStart {
    /// The oldest entry that is not delivered.
    pub first: u64,
    /// Where a skip is to begin, if there is one to make.
    pub skip_from: Option<u64>,
    /// The entries of this epoch and those before it can be read by no one.
    pub lost_epoch: Option<u64>,
    /// The oldest epoch whose row there may be.
    pub oldest_epoch: u64,
}

impl StreamStart {
    /// Reads the start.
    pub fn read(mut fields: Fields<'_>) -> Option<Self> {
        let (first, skip_from) = (fields.u64()?, fields.optional(Fields::u64)?);
        let (_claimed, lost_epoch) = (fields.optional(Fields::u64)?, fields.optional(Fields::u64)?);
        let _aged = fields.u64()?;
        Some(Self { first, skip_from, lost_epoch, oldest_epoch: fields.u64()? })
    }

    /// Returns whether something of the stream waits: an entry, or a skip.
    pub const fn waits(&self, end: &StreamEnd) -> bool {
        self.first < end.next || self.skip_from.is_some()
    }
}

/// Who can open the seed of a stream's epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EpochSeed {
    /// This homeserver.
    Pending,
    /// The peer alone.
    Sealed,
}

impl EpochSeed {
    /// Reads what the row of the epoch holds.
    pub fn read(mut fields: Fields<'_>) -> Option<Self> {
        let _first_sequence = fields.u64()?;
        match fields.u8()? {
            1 => Some(Self::Pending),
            2 => Some(Self::Sealed),
            _ => None,
        }
    }
}

/// How far a stream from another homeserver is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboundEnd {
    /// The entry that comes next.
    pub next: u64,
    /// The ratchet, if it is kept.
    pub chain: Option<Chain>,
}

impl InboundEnd {
    /// Reads how far it is.
    pub fn read(mut fields: Fields<'_>) -> Option<Self> {
        let next = fields.u64()?;
        let (_log, _log_next): ([u8; 16], u64) = (fields.array()?, fields.u64()?);
        Some(Self { next, chain: fields.optional(Chain::read)? })
    }
}

/// How far a log is distributed: the message that comes next.
pub fn progress(mut fields: Fields<'_>) -> Option<u64> {
    fields.u64()
}

/// Returns whether the row of a queue's entry holds a message. Others hold what renews the queue's key.
pub fn is_message(row: &[u8]) -> bool {
    let mut fields = Fields::of(row);
    let (_format, _generation, _sequence) = (fields.u8(), fields.u32(), fields.u64());
    fields.u8() == Some(3)
}

/// Returns the name of the queue, pool, log or stream that a row is of, and the row's number in it.
pub fn numbered(name: &[u8]) -> Option<(&[u8], u64)> {
    let (of, number) = name.split_last_chunk()?;
    Some((of, u64::from_be_bytes(*number)))
}
