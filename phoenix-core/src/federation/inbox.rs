//! PROTOCOL.md §9, QS-to-QS delivery — what another homeserver delivers: each check in its order, then one batch.
//!
//! version and size (the dispatch) → destination → policy → source's rate → time window → key → signature →
//! stream position → decrypt → fan-out rows and the stream's new position. The per-recipient checks follow when
//! the rows are distributed: one bad recipient never holds up a stream.

use std::time::Duration;

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::{
    peer,
    stream::{Chain, StreamContext},
};
use crate::{
    codec::{Codec, List, decode, encode},
    collections::log::{self},
    config::{Direction, Plant},
    credentials::validation::ValidatedQsKeys,
    crypto::{
        kdf::{self, Hash},
        labels::Label,
        ratchet::RatchetSecret,
    },
    error::Refusal,
    identifiers::{Domain, LogId, StreamId},
    limits::{MAX_INBOUND_STREAMS, MAX_STREAM_EPOCH, UNUSED},
    operation::{Context, Interrupt, Lane, Transaction},
    peer_keys::{self, Caller},
    rates::{Bucket, Rate},
    request::{Call, Serve},
    store::{Key, Record, RecordKind},
    time::{DAY, Timestamp},
    wire::{
        envelope::RequestEnvelope,
        fan_out::{FanOutContent, FanOutMessage, Recipient},
        federation::{
            EnqueueFederated, EnqueueFederatedReply, FederatedBatch, Frame, FrameContent, FramePayload, Skip,
        },
    },
};

/// How far a stream from another homeserver is accepted.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct InboundStream {
    /// The next entry.
    next: u64,
    /// The log that its messages go to: drawn when the stream is first seen, so that a stream whose row was
    /// lost never meets the log that it had before.
    log: StreamId,
    /// The next position there.
    log_next: u64,
    /// The ratchet at the next entry, if the epoch is known.
    chain: Option<Chain>,
    /// The hash of the entry or skip that was accepted last: by it a repeat is known from what a sender with an
    /// older copy of its state appends under the same numbers.
    last: Option<Hash>,
}

#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct InboundName {
    source: Domain,
    stream_id: StreamId,
}

impl Record for InboundStream {
    type Name = InboundName;
    const KIND: RecordKind = RecordKind::InboundStream;
}

/// What is known of a source: its streams, and how much came lately.
#[derive(Debug, Default, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct InboundSource {
    streams: List<SeenStream, MAX_INBOUND_STREAMS>,
    taken: Bucket,
}

#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct SeenStream {
    stream_id: StreamId,
    last: Timestamp,
}

/// A stream that was silent for so long makes room for a new one. Longer than the time window by far: what was
/// accepted in it cannot come again.
const SILENCE: Duration = DAY;

impl Record for InboundSource {
    type Name = Domain;
    const KIND: RecordKind = RecordKind::InboundSource;
}

/// `enqueue_federated`: accepts a frame of a stream.
impl Serve for EnqueueFederated {
    fn lane(&self, _: &RequestEnvelope) -> Lane {
        let content = &self.frame.content;
        Lane::of(&[b"stream", &encode(&content.source), &encode(&content.stream_id)])
    }

    fn serve(
        transaction: &mut Transaction<'_>,
        call: &Call<'_, Self>,
    ) -> Result<EnqueueFederatedReply, Interrupt> {
        let frame = &call.body.frame;
        let content = &frame.content;
        if content.destination != *transaction.domain() && !transaction.planted(Plant::IgnoreDestination) {
            return Err(Refusal::WrongDestination.into());
        }
        transaction.config().federation.check(Direction::Inbound, &content.source)?;
        let name = InboundName { source: content.source.clone(), stream_id: content.stream_id };
        // In one round, before the signature: each row that is missing later would have it checked again.
        let keys = peer_keys::rows::<ValidatedQsKeys>(&content.source);
        let rows = vec![
            Key::of::<InboundSource>(&content.source),
            peer::row(&content.source),
            Key::of::<InboundStream>(&name),
        ];
        transaction.snapshot().load(&[rows, keys].concat())?;
        let rate = source_rate(transaction.context());
        let mut source: InboundSource = transaction.get(&content.source)?.unwrap_or_default();
        source.taken.check(transaction.now(), rate).map_err(Refusal::rate_limited)?;
        check_time(transaction.context(), content)?;
        check_signature(transaction, frame)?;
        call.accept_proof(transaction);
        // The source is authenticated: it is there, so what waits for it can go.
        peer::reachable(transaction, &content.source)?;
        // Whatever becomes of it: it had to be looked at.
        source.taken.take(transaction.now(), rate, parts(content));
        transaction.put(&content.source, &source);
        transaction.savepoint();
        let stream = transaction.get(&name)?;
        let mut stream = known_stream(transaction, &name, &mut source, stream, content)?;
        let more = match &content.payload {
            FramePayload::Batch(batch) => accept_batch(transaction, &name, &mut stream, batch)?,
            FramePayload::Skip(skip) => accept_skip(transaction, &name, &mut stream, skip)?,
        };
        source.taken.take(transaction.now(), rate, more);
        transaction.put(&content.source, &source);
        transaction.put(&name, &stream);
        Ok(EnqueueFederatedReply { accepted_through: stream.next })
    }
}

fn source_rate(context: &Context) -> Rate {
    let rates = &context.config().rates;
    Rate { per_second: rates.source_entries_per_second, burst: rates.source_burst }
}

fn check_time(context: &Context, content: &FrameContent) -> Result<(), Refusal> {
    let window = context.config().times.frame_window;
    let off = content.timestamp.since(context.now()).max(context.now().since(content.timestamp));
    if off > window {
        let by_milliseconds = u64::try_from((off - window).as_millis()).unwrap_or(u64::MAX);
        return Err(Refusal::FrameOutsideTimeWindow { by_milliseconds });
    }
    Ok(())
}

/// The key by its id, fetched if it is not known; then the signature.
fn check_signature(transaction: &mut Transaction<'_>, frame: &Frame) -> Result<(), Interrupt> {
    let content = &frame.content;
    let wanted = Some(content.key_id);
    let keys = peer_keys::queuing_keys(transaction, &content.source, wanted, Caller::Stranger)?;
    let key = keys.verifying_key(content.key_id, transaction.now()).ok_or(Refusal::UnknownFrameKey)?;
    if transaction.planted(Plant::SkipSignature) {
        return Ok(());
    }
    Ok(key.verify(content, &frame.signature).map_err(|_| Refusal::InvalidFrameSignature)?)
}

/// What a frame costs of the source's rate before it is opened: one for each entry, or message to tell of.
fn parts(content: &FrameContent) -> u64 {
    let parts = match &content.payload {
        FramePayload::Batch(batch) => batch.entries.len(),
        FramePayload::Skip(skip) => 1 + skip.dropped.len(),
    };
    parts.max(1) as u64
}

/// The stream; a new one if the source has room for it.
fn known_stream(
    transaction: &mut Transaction<'_>,
    name: &InboundName,
    source: &mut InboundSource,
    stream: Option<InboundStream>,
    content: &FrameContent,
) -> Result<InboundStream, Refusal> {
    let first = match &content.payload {
        FramePayload::Batch(batch) => batch.first_sequence,
        FramePayload::Skip(skip) => skip.from,
    };
    let seen = source.streams.iter_mut().find(|seen| seen.stream_id == name.stream_id);
    match seen {
        Some(seen) => seen.last = transaction.now(),
        None => {
            let seen = SeenStream { stream_id: name.stream_id, last: transaction.now() };
            if let Err(seen) = source.streams.push(seen) {
                forget_silent(transaction, &name.source, source)?;
                source.streams.push(seen).map_err(|_| Refusal::TooManyStreams)?;
            }
        }
    }
    // Where a new one starts is for the source to say: either side may have lost its state.
    Ok(stream.unwrap_or_else(|| InboundStream {
        next: first,
        log: StreamId(transaction.random().array()),
        log_next: 0,
        chain: None,
        last: None,
    }))
}

/// Forgets the stream that was silent for longest.
fn forget_silent(
    transaction: &mut Transaction<'_>,
    domain: &Domain,
    source: &mut InboundSource,
) -> Result<(), Refusal> {
    let silent = source.streams.iter().enumerate().min_by_key(|(_, seen)| seen.last);
    let (index, _) = silent
        .filter(|(_, seen)| transaction.now().since(seen.last) >= SILENCE)
        .ok_or(Refusal::TooManyStreams)?;
    let SeenStream { stream_id, .. } = source.streams.remove(index);
    transaction.delete::<InboundStream>(&InboundName { source: domain.clone(), stream_id });
    Ok(())
}

/// Drops the streams of a source that were silent for so long that nobody needs them. Whether none is left.
pub(crate) fn is_over(transaction: &mut Transaction<'_>, key: &Key) -> Result<bool, Interrupt> {
    let Ok(domain) = decode::<Domain>(key.name()) else { return Ok(false) };
    let now = transaction.now();
    let unused = |seen: &SeenStream| now.since(seen.last) > UNUSED;
    let peeked = transaction.snapshot().read::<InboundSource>(&domain)?.intact();
    if !peeked.is_some_and(|source| source.streams.iter().any(unused)) {
        return Ok(false);
    }
    let Some(mut source) = transaction.read::<InboundSource>(&domain)?.intact() else { return Ok(false) };
    for seen in source.streams.iter().filter(|seen| unused(seen)) {
        let stream_id = seen.stream_id;
        transaction.delete::<InboundStream>(&InboundName { source: domain.clone(), stream_id });
    }
    source.streams.retain(|seen| !unused(seen));
    if source.streams.is_empty() {
        return Ok(true);
    }
    transaction.put(&domain, &source);
    Ok(false)
}

/// Accepts the entries of a batch that are new. Gives what they cost besides one each.
fn accept_batch(
    transaction: &mut Transaction<'_>,
    name: &InboundName,
    stream: &mut InboundStream,
    batch: &FederatedBatch,
) -> Result<u64, Interrupt> {
    // A stream ends before numbers do.
    let end = batch.first_sequence.checked_add(batch.entries.len() as u64).ok_or(Refusal::Malformed)?;
    if transaction.planted(Plant::IgnorePosition) {
        stream.next = batch.first_sequence;
        (stream.chain, stream.last) = (None, None);
    }
    if batch.first_sequence > stream.next {
        return Err(Refusal::StreamPosition { expected: stream.next }.into());
    }
    // What was accepted before is passed over: the answer was lost, and this is the repeat. That it is, the last
    // of it shows; whoever sends less of it is told how far the stream goes, and has to show it then.
    let already = usize::try_from(stream.next - batch.first_sequence).unwrap_or(usize::MAX);
    let repeated = already.checked_sub(1).and_then(|index| batch.entries.get(index));
    if let (Some(repeated), Some(last)) = (repeated, &stream.last)
        && hash(repeated) != *last
    {
        return Err(Refusal::StreamDiverged.into());
    }
    if end <= stream.next {
        return Ok(0);
    }
    let mut chain = chain_at(transaction.context(), name, stream, batch)?;
    let ours = transaction.domain().clone();
    let of = StreamContext { source: &name.source, destination: &ours, stream_id: name.stream_id };
    let (first_new, mut more) = (stream.next, 0);
    for entry in batch.entries.iter().skip(already) {
        let sequence = stream.next;
        let mut after = chain.clone();
        let message = after.open(&of, entry).ok().and_then(|plain| decode::<FanOutMessage>(&plain).ok());
        let Some(message) = message else {
            if sequence > first_new {
                // Those before it are accepted; it will be refused when it comes first.
                break;
            }
            return Err(Refusal::UnreadableEntry { sequence }.into());
        };
        more += accept_message(transaction, name, stream, message);
        chain = after;
        stream.last = Some(hash(entry));
        stream.next += 1;
    }
    debug_assert_eq!(chain.sequence, stream.next);
    stream.chain = Some(chain);
    Ok(more)
}

fn hash(accepted: &impl Codec) -> Hash {
    kdf::hash(Label::ACCEPTED_ENTRY, &[&encode(accepted)])
}

/// The epoch's ratchet at the next entry.
fn chain_at(
    context: &Context,
    name: &InboundName,
    stream: &InboundStream,
    batch: &FederatedBatch,
) -> Result<Chain, Refusal> {
    if let Some(chain) = &stream.chain
        && chain.epoch == batch.epoch
        && chain.sequence == stream.next
    {
        return Ok(chain.clone());
    }
    let lost = Refusal::StreamEpoch { epoch: batch.epoch };
    let far = stream.next.checked_sub(batch.epoch_first_sequence).ok_or_else(|| lost.clone())?;
    if far > MAX_STREAM_EPOCH {
        return Err(lost);
    }
    let key = context.keys().stream_key(&batch.seed_key_id).ok_or_else(|| lost.clone())?;
    let of = StreamContext { source: &name.source, destination: context.domain(), stream_id: name.stream_id };
    let associated = of.seed(batch.epoch, batch.epoch_first_sequence);
    let seed =
        key.open(Label::SEAL_STREAM_SEED, &associated, &batch.sealed_seed).map_err(|_| lost.clone())?;
    let seed: [u8; 32] = seed.as_slice().try_into().map_err(|_| lost)?;
    Ok(Chain::start(batch.epoch, RatchetSecret::from_bytes(seed), batch.epoch_first_sequence)
        .forward(stream.next))
}

/// Hands a message to the distributor, unless the group is not the source's to deliver for. Gives what that costs
/// besides one: each recipient is a delivery.
fn accept_message(
    transaction: &mut Transaction<'_>,
    name: &InboundName,
    stream: &mut InboundStream,
    message: FanOutMessage,
) -> u64 {
    if !super::authorization::may_deliver(&name.source, &message) {
        return 0;
    }
    let deliveries = message.recipients.len() as u64;
    let log = LogId::Stream { source: name.source.clone(), stream_id: stream.log };
    log::append(transaction, log, stream.log_next, message);
    stream.log_next += 1;
    deliveries.saturating_sub(1)
}

/// Passes over entries; whoever missed something is told. Gives what that costs besides one for each message.
fn accept_skip(
    transaction: &mut Transaction<'_>,
    name: &InboundName,
    stream: &mut InboundStream,
    skip: &Skip,
) -> Result<u64, Interrupt> {
    let passed_over = skip.to.checked_sub(skip.from).ok_or(Refusal::Malformed)?;
    if skip.dropped.len() as u64 > passed_over {
        return Err(Refusal::Malformed.into());
    }
    if skip.from > stream.next {
        return Err(Refusal::StreamPosition { expected: stream.next }.into());
    }
    let last = Some(hash(skip));
    if skip.to < stream.next || (skip.to == stream.next && stream.last == last) {
        return Ok(0);
    }
    stream.next = skip.to;
    stream.chain = None;
    stream.last = last;
    let mut more = 0;
    for dropped in &skip.dropped {
        let recipients =
            dropped.recipients.iter().map(|config| Recipient { content: 0, config: config.clone() });
        let message = FanOutMessage {
            group_id: dropped.group_id.clone(),
            position: dropped.position,
            sent_at: transaction.now(),
            contents: vec![FanOutContent::Dropped].try_into().unwrap_or_default(),
            recipients: recipients.collect::<Vec<_>>().try_into().unwrap_or_default(),
        };
        more += accept_message(transaction, name, stream, message);
    }
    Ok(more)
}
