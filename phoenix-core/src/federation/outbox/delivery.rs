//! PROTOCOL.md §9, Outbox — delivering a stream: one frame at a time, from the oldest undelivered entry on.

use tls_codec::Size as _;

use super::{
    ageing, answers,
    rows::{
        EpochName, MAX_FRAME_CONTENT, OutboundEnd, OutboundEntry, OutboundEpoch, OutboundStart, SealedSeed,
        Seed,
    },
};
use crate::{
    codec::{List, encode},
    config::Direction,
    credentials::validation::ValidatedQsKeys,
    crypto::{
        labels::Label,
        ratchet::{RatchetCiphertext, RatchetSecret},
    },
    error::Refusal,
    federation::{
        outbox::answers::Sent,
        peer::{self, Permission},
        stream::StreamContext,
    },
    identifiers::{RequestId, StreamName},
    keys::QueuingKey,
    limits::MAX_STREAM_EPOCH,
    operation::{Ask, Interrupt, Timer, Transaction},
    peer_keys::{self, Caller},
    store::Key,
    time::HOUR,
    wire::{
        envelope::{RequestEnvelope, ResponseEnvelope},
        federation::{
            DroppedMessage, EnqueueFederated, EnqueueFederatedReply, FederatedBatch, Frame, FrameContent,
            FramePayload, Skip,
        },
        operations::Service,
    },
};

/// How many entries are loaded first: the largest ones fill a frame.
const FIRST_LOADED: u64 = 8;

/// Delivers the next frame of a stream, and notes what came of it.
pub(crate) fn deliver(transaction: &mut Transaction<'_>, name: &StreamName) -> Result<(), Interrupt> {
    let timer = Timer::Deliver(name.clone());
    let rows = [Key::of::<OutboundStart>(name), Key::of::<OutboundEnd>(name), peer::row(&name.destination)];
    transaction.snapshot().load(&rows)?;
    let mut start: OutboundStart = transaction.get(name)?.unwrap_or_default();
    // A little old does no harm: what is there, is there to stay until it is delivered.
    let end = transaction.snapshot().get::<OutboundEnd>(name)?;
    let Some(end) = end.filter(|end| start.first < end.next || start.skip_from.is_some()) else {
        // Now it must not be old: whoever appends has the timer run again.
        transaction.get::<OutboundEnd>(name)?;
        transaction.clear_timer(&timer);
        return Ok(());
    };
    // Whether the peer is there or not.
    if !transaction.has_asked() && ageing::age(transaction, name, (&mut start, &end))? {
        return Ok(());
    }
    if transaction.config().federation.check(Direction::Outbound, &name.destination).is_err() {
        transaction.schedule(timer, transaction.now() + HOUR);
        return Ok(());
    }
    // Once a question is out, its answer counts, whatever else became known of the peer meanwhile.
    if !transaction.has_asked() {
        let longest = transaction.config().times.backoff_limit;
        if let Some(wait_until) = start.wait_until.pending(transaction.now(), longest) {
            transaction.schedule(timer, wait_until);
            return Ok(());
        }
        match peer::permission(transaction, name)? {
            Permission::Go => {}
            Permission::Wait(until) => {
                transaction.schedule(timer, until);
                return Ok(());
            }
            Permission::Probe => {
                transaction.schedule(timer, transaction.now());
                return Ok(());
            }
        }
    }
    let (payload, sent) = match next_payload(transaction, name, (&mut start, &end)) {
        Ok(Some(payload)) => payload,
        Ok(None) => return Ok(()),
        Err(Interrupt::Refuse(_)) => return answers::back_off(transaction, name, None),
        Err(interrupt) => return Err(interrupt),
    };
    let answer = send(transaction, name, &end, payload)?;
    answers::note(transaction, name, (&mut start, &end), (&sent, answer))
}

/// What to send next. Nothing, if something must be put right first: then that is done.
fn next_payload(
    transaction: &mut Transaction<'_>,
    name: &StreamName,
    (start, end): (&mut OutboundStart, &OutboundEnd),
) -> Result<Option<(FramePayload, Sent)>, Interrupt> {
    let Waiting { entries, dropped, sent } = waiting(transaction, name, (start, end))?;
    let Some(epoch) = sent.epoch else {
        if start.claimed.is_some() {
            // There is nothing left to show that what the peer has is what was here.
            answers::start_over(transaction, name, start)?;
            answers::stalled(transaction, name, start);
            return Ok(None);
        }
        let from = start.skip_from.unwrap_or(start.first);
        let skip = Skip { from, to: sent.through, dropped };
        return Ok(Some((FramePayload::Skip(skip), sent)));
    };
    let Some((row, sealed)) = sealed_epoch(transaction, name, end, epoch)? else {
        // Without the epoch's seed, nobody can read its entries.
        start.lost_epoch = start.lost_epoch.max(Some(epoch));
        answers::stalled(transaction, name, start);
        return Ok(None);
    };
    let batch = FederatedBatch {
        epoch,
        seed_key_id: sealed.key_id,
        sealed_seed: sealed.seed,
        epoch_first_sequence: row.first_sequence,
        first_sequence: start.next(),
        entries,
    };
    Ok(Some((FramePayload::Batch(batch), sent)))
}

/// What stands at the stream's start and goes into one frame: entries to deliver, or entries to pass over.
struct Waiting {
    entries: List<RatchetCiphertext, { MAX_STREAM_EPOCH as usize }>,
    dropped: List<DroppedMessage, { MAX_STREAM_EPOCH as usize }>,
    sent: Sent,
}

fn waiting(
    transaction: &mut Transaction<'_>,
    name: &StreamName,
    (start, end): (&OutboundStart, &OutboundEnd),
) -> Result<Waiting, Interrupt> {
    let limit = transaction.config().sizes.batch_entries.clamp(1, MAX_STREAM_EPOCH);
    // The rows of entries before that are dropped: there is nothing to be read of them.
    let first = start.next().max(end.present);
    let range = first..end.next.min(first.saturating_add(limit));
    let mut loaded = first;
    let mut waiting = Waiting {
        entries: List::default(),
        dropped: List::default(),
        sent: Sent { through: first, epoch: None },
    };
    let Waiting { entries, dropped, sent } = &mut waiting;
    // A skip comes first, and alone.
    let mut skips = first > start.next() || start.skip_from.is_some();
    let mut size = 0;
    for sequence in range.clone() {
        if sequence == loaded {
            // A frame is full after a few large entries or after many small ones: so ever more at once.
            loaded = range.end.min(first + (4 * (loaded - first)).max(FIRST_LOADED));
            let entries = (sequence..loaded).map(|sequence| Key::of::<OutboundEntry>(&name.entry(sequence)));
            transaction.snapshot().load(&entries.collect::<Vec<_>>())?;
        }
        // Not read for good: an entry only ever loses its content or goes, as appending does to the oldest over
        // the bound, and must not hold up this delivery each time.
        let entry = transaction.snapshot().read::<OutboundEntry>(&name.entry(sequence))?.intact();
        match entry.map(|entry| entry.deliverable(start)) {
            Some(Ok((epoch, content))) => {
                let length = content.tls_serialized_len();
                let fits =
                    sent.epoch.is_none_or(|first| first == epoch && size + length <= MAX_FRAME_CONTENT);
                if skips || !fits || entries.push(content).is_err() {
                    break;
                }
                sent.epoch = Some(epoch);
                size += length;
            }
            _ if sent.epoch.is_some() => break,
            Some(Err(recipients)) => {
                let length = recipients.tls_serialized_len();
                let fits = dropped.is_empty() || size + length <= MAX_FRAME_CONTENT;
                if !fits || dropped.push(recipients).is_err() {
                    break;
                }
                skips = true;
                size += length;
            }
            // The row is lost: nobody can be told, and those behind it go on.
            None => skips = true,
        }
        sent.through = sequence + 1;
    }
    Ok(waiting)
}

impl OutboundStart {
    /// The entry that the next frame begins with.
    fn next(&self) -> u64 {
        self.claimed.map_or(self.first, |claimed| claimed.saturating_sub(1).max(self.first))
    }
}

impl OutboundEntry {
    /// What is to be delivered, of which epoch; or whom to tell, if it is dropped, or can be read by nobody any
    /// more.
    fn deliverable(self, start: &OutboundStart) -> Result<(u64, RatchetCiphertext), DroppedMessage> {
        let lost = start.lost_epoch.is_some_and(|lost| self.epoch <= lost);
        match self.content {
            Some(content) if !lost => Ok((self.epoch, content)),
            _ => Err(self.recipients),
        }
    }
}

/// The epoch, its seed sealed to the peer: now, if its key was not known before. `None` if its row is lost.
fn sealed_epoch(
    transaction: &mut Transaction<'_>,
    name: &StreamName,
    end: &OutboundEnd,
    epoch: u64,
) -> Result<Option<(OutboundEpoch, SealedSeed)>, Interrupt> {
    let epoch_name: EpochName = name.epoch(epoch);
    let Some(mut row) = transaction.read::<OutboundEpoch>(&epoch_name)?.intact() else { return Ok(None) };
    let sealed = match &row.seed {
        Seed::Sealed(sealed) => sealed.clone(),
        Seed::Pending(seed) => {
            let any = (None, Caller::Ourselves);
            let keys = peer_keys::queuing_keys(transaction, &name.destination, any)?;
            let ours = transaction.domain().clone();
            let stream =
                StreamContext { source: &ours, destination: &name.destination, stream_id: end.stream_id };
            let seed = seed.clone();
            let sealed = seal_seed(transaction, &stream, (epoch, &row), &keys, &seed)?;
            row.seed = Seed::Sealed(sealed.clone());
            transaction.put(&epoch_name, &row);
            sealed
        }
    };
    Ok(Some((row, sealed)))
}

/// Sends a frame. `None`: no answer, or none that could be read.
fn send(
    transaction: &mut Transaction<'_>,
    name: &StreamName,
    end: &OutboundEnd,
    payload: FramePayload,
) -> Result<answers::Answer, Interrupt> {
    let QueuingKey { id: key_id, key } = transaction.keys().queuing_key()?;
    let content = FrameContent {
        source: transaction.domain().clone(),
        destination: name.destination.clone(),
        stream_id: end.stream_id,
        timestamp: transaction.now(),
        key_id,
        payload,
    };
    let signature = key.sign(&content);
    let body = EnqueueFederated { frame: Frame { content, signature } };
    let about = (name.destination.clone(), transaction.now(), RequestId([0; 16]));
    let request = RequestEnvelope::new(about, &body, None, None).map_err(|_| Refusal::Internal)?;
    let ask = Ask { domain: name.destination.clone(), service: Service::Queuing, request: encode(&request) };
    let answer = transaction.ask_peer(ask)?;
    Ok(answer.ok().and_then(|bytes| ResponseEnvelope::read::<EnqueueFederatedReply>(&bytes).ok()))
}

/// Seals an epoch's seed to the peer's current stream key.
fn seal_seed(
    transaction: &mut Transaction<'_>,
    stream: &StreamContext<'_>,
    (epoch, row): (u64, &OutboundEpoch),
    keys: &ValidatedQsKeys,
    seed: &RatchetSecret,
) -> Result<SealedSeed, Refusal> {
    let key = keys.current_stream_key(transaction.now()).ok_or(Refusal::UnknownFrameKey)?;
    let associated = stream.seed(epoch, row.first_sequence);
    let seed = key.key.seal(transaction.random(), Label::SEAL_STREAM_SEED, &associated, seed.as_bytes())?;
    Ok(SealedSeed { key_id: key.id, seed })
}
