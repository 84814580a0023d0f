//! PROTOCOL.md §9, Outbox — appending to a stream, and what makes room for one more entry.

use tls_codec::Size as _;

use super::rows::{
    MAX_FRAME_CONTENT, OutboundEnd, OutboundEntry, OutboundEpoch, OutboundStart, Seed, drop_content,
};
use crate::{
    codec::encode,
    config::{Direction, Plant},
    crypto::ratchet::RatchetSecret,
    federation::{
        peer,
        stream::{Chain, StreamContext},
    },
    identifiers::{Domain, StreamId, StreamName},
    limits::MAX_STREAM_EPOCH,
    operation::{Context, Effect, Interrupt, Report, Timer, Transaction},
    store::Key,
    time::CLOCK_TOLERANCE,
    wire::{
        fan_out::{ClientQueueConfig, FanOutMessage},
        federation::DroppedMessage,
    },
};

/// The rows that appending `message` reads: so that many appends in one commit read in one round.
pub(crate) fn rows(context: &Context, destination: &Domain, message: &FanOutMessage) -> Vec<Key> {
    let name = StreamName::of(context, destination, message);
    vec![Key::of::<OutboundEnd>(&name), Key::of::<OutboundStart>(&name), peer::row(destination)]
}

/// The row that appending `message` reads besides, if the stream is over its bound when `before` messages
/// have been appended to it in the same commit. The rows of [`rows`] are loaded.
pub(crate) fn row_over_bound(
    transaction: &mut Transaction<'_>,
    destination: &Domain,
    message: &FanOutMessage,
    before: u64,
) -> Result<Option<Key>, Interrupt> {
    let name = StreamName::of(transaction.context(), destination, message);
    let Some(end) = transaction.snapshot().get::<OutboundEnd>(&name)? else { return Ok(None) };
    let start: OutboundStart = transaction.snapshot().get(&name)?.unwrap_or_default();
    let (next, bound) = (end.next.saturating_add(before), bound(transaction.context()));
    // Each message before it drops an entry, from where the bound is reached.
    let kept = end.kept.max(start.first).max(next.saturating_sub(bound));
    let over = (next + 1).saturating_sub(kept) > bound;
    Ok(over.then(|| Key::of::<OutboundEntry>(&name.entry(kept))))
}

/// Appends `message`, which has recipients at `destination` only, to a stream there.
pub(crate) fn append(
    transaction: &mut Transaction<'_>,
    destination: &Domain,
    message: &FanOutMessage,
) -> Result<(), Interrupt> {
    let allowed = transaction.config().federation.check(Direction::Outbound, destination).is_ok();
    let name = StreamName::of(transaction.context(), destination, message);
    let (mut end, start) = ends(transaction, &name)?;
    let mut chain = current_chain(transaction, &name, &mut end, start.lost_epoch);
    let (ours, stream_id) = (transaction.domain().clone(), end.stream_id);
    let stream = StreamContext { source: &ours, destination, stream_id };
    let entry = OutboundEntry {
        epoch: chain.epoch,
        appended_at: transaction.now(),
        // A message that is too long for any frame, or for a blocked domain, is dropped at once. A skip tells
        // its recipients when its turn comes; while the domain is blocked, nothing is sent there.
        content: allowed.then(|| chain.seal(transaction.random(), &stream, &encode(message)).ok()).flatten(),
        recipients: dropped_message(message),
    };
    if entry.content.is_none() {
        chain = chain.forward(end.next + 1);
    }
    transaction.put(&name.entry(end.next), &entry);
    end.next += 1;
    end.chain = Some(chain);
    keep_bound(transaction, &name, &mut end, start.first)?;
    transaction.put(&name, &end);
    // Each time: whether a delivery under way finds this entry cannot be known here.
    transaction.schedule(Timer::Deliver(name), transaction.now());
    Ok(())
}

/// Both ends of the stream; those of a new stream if there is none yet.
fn ends(
    transaction: &mut Transaction<'_>,
    name: &StreamName,
) -> Result<(OutboundEnd, OutboundStart), Interrupt> {
    if let Some(end) = transaction.get::<OutboundEnd>(name)? {
        return Ok((end, transaction.snapshot().get(name)?.unwrap_or_default()));
    }
    let end = OutboundEnd {
        stream_id: StreamId::random(transaction.random()),
        next: 0,
        chain: None,
        epoch_started: transaction.now(),
        epoch_first: 0,
        kept: 0,
        present: 0,
    };
    // An earlier stream may have left a start behind, which is not this one's.
    let start = OutboundStart::default();
    transaction.put(name, &start);
    Ok((end, start))
}

/// Whom to tell if the message is dropped: as many as a frame holds.
fn dropped_message(message: &FanOutMessage) -> DroppedMessage {
    let mut size = 0;
    let configs = message.recipients.iter().map(|recipient| &recipient.config);
    let told = configs.take_while(|config| {
        size += config.tls_serialized_len();
        size <= MAX_FRAME_CONTENT
    });
    let recipients: Vec<ClientQueueConfig> = told.cloned().collect();
    DroppedMessage {
        group_id: message.group_id.clone(),
        position: message.position,
        recipients: recipients.try_into().unwrap_or_default(),
    }
}

/// The chain at the stream's end; that of a new epoch if the old one is full, over or of no use to the peer.
fn current_chain(
    transaction: &mut Transaction<'_>,
    name: &StreamName,
    end: &mut OutboundEnd,
    lost_epoch: Option<u64>,
) -> Chain {
    let (now, longest) = (transaction.now(), transaction.config().times.stream_epoch);
    let over = end.next - end.epoch_first >= MAX_STREAM_EPOCH
        || (now.since(end.epoch_started) >= longest && !transaction.planted(Plant::EndlessEpoch))
        // A clock was wrong.
        || end.epoch_started > now + CLOCK_TOLERANCE;
    if let Some(chain) = &end.chain
        && !over
        && lost_epoch.is_none_or(|lost| lost < chain.epoch)
    {
        return chain.clone();
    }
    let epoch = end.chain.as_ref().map_or(0, |chain| chain.epoch + 1);
    let seed = RatchetSecret::random(transaction.random());
    end.epoch_started = transaction.now();
    end.epoch_first = end.next;
    let row = OutboundEpoch { first_sequence: end.next, seed: Seed::Pending(seed.clone()) };
    transaction.put(&name.epoch(epoch), &row);
    Chain::start(epoch, seed, end.next)
}

/// How many entries of one stream keep their content.
fn bound(context: &Context) -> u64 {
    let sizes = &context.config().sizes;
    (sizes.outbox_entries / u64::from(sizes.stream_shards.max(1))).max(1)
}

/// Drops the content of the oldest entry when there are too many; its row too, when there are as many again.
/// `first` is the oldest undelivered entry.
///
/// What is dropped is noted at the stream's end, so that appending and delivering do not conflict.
fn keep_bound(
    transaction: &mut Transaction<'_>,
    name: &StreamName,
    end: &mut OutboundEnd,
    first: u64,
) -> Result<(), Interrupt> {
    let bound = bound(transaction.context());
    end.kept = end.kept.max(first);
    end.present = end.present.max(first);
    if end.next.saturating_sub(end.kept) <= bound {
        return Ok(());
    }
    drop_content(transaction, name, end.kept)?;
    end.kept += 1;
    if end.kept - end.present > bound {
        transaction.delete::<OutboundEntry>(&name.entry(end.present));
        end.present += 1;
    }
    let since = peer::failing_since(transaction, &name.destination)?.unwrap_or(transaction.now());
    let report = Report::OutboxDropped { destination: name.destination.clone(), count: 1, since };
    transaction.effect(Effect::Report(report));
    Ok(())
}
