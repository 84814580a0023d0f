//! PROTOCOL.md §9, Receiving — a frame's place in its stream, and what becomes of its entries.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    codec::{Codec, decode, encode},
    collections::log,
    config::Plant,
    crypto::{
        kdf::{self, Hash},
        labels::Label,
        ratchet::RatchetSecret,
    },
    error::Refusal,
    federation::{
        authorization,
        stream::{Chain, StreamContext},
    },
    identifiers::{Domain, LogId, StreamId},
    limits::MAX_STREAM_EPOCH,
    operation::{Context, Interrupt, Transaction},
    store::{Record, RecordKind},
    wire::{
        fan_out::{FanOutContent, FanOutMessage, Recipient},
        federation::{DroppedMessage, FederatedBatch, FramePayload, Skip},
    },
};

/// How far a stream from another homeserver is accepted.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct InboundStream {
    /// The next entry.
    pub next: u64,
    /// The log that its messages go to: drawn when the stream is first seen, so that a stream whose row was
    /// lost never meets the log that it had before.
    log: StreamId,
    /// The next position there.
    log_next: u64,
    /// The ratchet at the next entry, if the epoch is known.
    chain: Option<Chain>,
    /// The hash of the entry or skip that was accepted last: it tells a repeat from what a sender with an
    /// older copy of its state appends under the same numbers.
    last: Option<Hash>,
}

/// Names a stream of a source.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct InboundName {
    pub source: Domain,
    pub stream_id: StreamId,
}

impl Record for InboundStream {
    type Name = InboundName;
    const KIND: RecordKind = RecordKind::InboundStream;
}

impl InboundName {
    /// What the stream's entries are bound to.
    const fn context<'a>(&'a self, destination: &'a Domain) -> StreamContext<'a> {
        StreamContext { source: &self.source, destination, stream_id: self.stream_id }
    }
}

impl InboundStream {
    /// Returns a stream that was not known before. It starts where the frame begins: the source decides that,
    /// since either side may have lost its state.
    pub fn begin(transaction: &mut Transaction<'_>, payload: &FramePayload) -> Self {
        let next = match payload {
            FramePayload::Batch(batch) => batch.first_sequence,
            FramePayload::Skip(skip) => skip.from,
        };
        Self { next, log: StreamId::random(transaction.random()), log_next: 0, chain: None, last: None }
    }

    /// Accepts the entries of a batch that are new. Returns their cost beyond the one that each was charged
    /// before.
    pub fn accept_batch(
        &mut self,
        transaction: &mut Transaction<'_>,
        name: &InboundName,
        batch: &FederatedBatch,
    ) -> Result<u64, Interrupt> {
        // A stream ends before numbers do.
        let end = batch.first_sequence.checked_add(batch.entries.len() as u64).ok_or(Refusal::Malformed)?;
        if transaction.planted(Plant::IgnorePosition) {
            self.next = batch.first_sequence;
            (self.chain, self.last) = (None, None);
        }
        let already = self.already_accepted(batch)?;
        if end <= self.next {
            return Ok(0);
        }
        let mut chain = self.chain_at(transaction.context(), name, batch)?;
        let stream = name.context(transaction.domain());
        let (first_new, mut more) = (self.next, 0);
        for entry in batch.entries.iter().skip(already) {
            let sequence = self.next;
            let mut after = chain.clone();
            let message =
                after.open(&stream, entry).ok().and_then(|plain| decode::<FanOutMessage>(&plain).ok());
            let Some(message) = message else {
                if sequence > first_new {
                    // The entries before it are accepted; it is refused when it comes first.
                    break;
                }
                return Err(Refusal::UnreadableEntry { sequence }.into());
            };
            more += self.accept_message(transaction, name, message);
            chain = after;
            self.last = Some(hash(entry));
            self.next += 1;
        }
        debug_assert_eq!(chain.sequence, self.next);
        if self.chain.is_none() || !transaction.planted(Plant::KeepChain) {
            self.chain = Some(chain);
        }
        Ok(more)
    }

    /// The number of entries at the batch's head that were accepted before: the answer was lost, and this is
    /// the repeat. The last of them shows that it is one. A source that sends less is told how far the stream
    /// goes, and has to show it then.
    fn already_accepted(&self, batch: &FederatedBatch) -> Result<usize, Refusal> {
        let already = self.next.checked_sub(batch.first_sequence);
        let already = already.ok_or(Refusal::StreamPosition { expected: self.next })?;
        let already = usize::try_from(already).unwrap_or(usize::MAX);
        let repeated = already.checked_sub(1).and_then(|index| batch.entries.get(index));
        if let (Some(repeated), Some(last)) = (repeated, &self.last)
            && hash(repeated) != *last
        {
            return Err(Refusal::StreamDiverged);
        }
        Ok(already)
    }

    /// The ratchet of the batch's epoch at the next entry.
    fn chain_at(
        &self,
        context: &Context,
        name: &InboundName,
        batch: &FederatedBatch,
    ) -> Result<Chain, Refusal> {
        if let Some(chain) = &self.chain
            && chain.epoch == batch.epoch
            && chain.sequence == self.next
        {
            return Ok(chain.clone());
        }
        let lost = Refusal::StreamEpoch { epoch: batch.epoch };
        let far = self.next.checked_sub(batch.epoch_first_sequence).ok_or_else(|| lost.clone())?;
        if far > MAX_STREAM_EPOCH {
            return Err(lost);
        }
        let key = context.keys().stream_key(&batch.seed_key_id).ok_or_else(|| lost.clone())?;
        let associated = name.context(context.domain()).seed(batch.epoch, batch.epoch_first_sequence);
        let seed =
            key.open(Label::SEAL_STREAM_SEED, &associated, &batch.sealed_seed).map_err(|_| lost.clone())?;
        let seed: [u8; 32] = seed.as_slice().try_into().map_err(|_| lost)?;
        Ok(Chain::start(batch.epoch, RatchetSecret::from_bytes(seed), batch.epoch_first_sequence)
            .forward(self.next))
    }

    /// Passes over entries; the recipients of what was dropped are told. Returns what that costs besides one
    /// for each message.
    pub fn accept_skip(
        &mut self,
        transaction: &mut Transaction<'_>,
        name: &InboundName,
        skip: &Skip,
    ) -> Result<u64, Interrupt> {
        let passed_over = skip.to.checked_sub(skip.from).ok_or(Refusal::Malformed)?;
        if skip.dropped.len() as u64 > passed_over {
            return Err(Refusal::Malformed.into());
        }
        if skip.from > self.next {
            return Err(Refusal::StreamPosition { expected: self.next }.into());
        }
        let last = Some(hash(skip));
        if skip.to < self.next || (skip.to == self.next && self.last == last) {
            return Ok(0);
        }
        self.next = skip.to;
        self.chain = None;
        self.last = last;
        let mut more = 0;
        for dropped in &skip.dropped {
            let message = marker(transaction, dropped);
            more += self.accept_message(transaction, name, message);
        }
        Ok(more)
    }

    /// Hands a message to the distributor if the source may deliver for its group. Each recipient costs one.
    /// Returns the cost beyond the one that the message was charged before.
    fn accept_message(
        &mut self,
        transaction: &mut Transaction<'_>,
        name: &InboundName,
        message: FanOutMessage,
    ) -> u64 {
        if !authorization::may_deliver(&name.source, &message) {
            return 0;
        }
        let deliveries = message.recipients.len() as u64;
        let log = LogId::Stream { source: name.source.clone(), stream_id: self.log };
        log::append(transaction, log, self.log_next, message);
        self.log_next += 1;
        deliveries.saturating_sub(1)
    }
}

/// What the recipients of a dropped message get in its place.
fn marker(transaction: &Transaction<'_>, dropped: &DroppedMessage) -> FanOutMessage {
    let recipients = dropped.recipients.iter().map(|config| Recipient { content: 0, config: config.clone() });
    FanOutMessage {
        group_id: dropped.group_id.clone(),
        position: dropped.position,
        sent_at: transaction.now(),
        contents: vec![FanOutContent::Dropped].try_into().unwrap_or_default(),
        recipients: recipients.collect::<Vec<_>>().try_into().unwrap_or_default(),
    }
}

/// What tells two entries, or skips, apart.
fn hash(accepted: &impl Codec) -> Hash {
    kdf::hash(Label::ACCEPTED_ENTRY, &[&encode(accepted)])
}
