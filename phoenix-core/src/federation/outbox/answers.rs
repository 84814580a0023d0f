//! PROTOCOL.md §9, Outbox — what the answer to a frame means for the stream that it is of.

use std::time::Duration;

use super::rows::{OutboundEnd, OutboundEntry, OutboundEpoch, OutboundStart, drop_content};
use crate::{
    error::Refusal,
    federation::{backoff, peer},
    identifiers::{StreamId, StreamName},
    limits::MAX_STREAM_EPOCH,
    operation::{Effect, Interrupt, Report, Timer, Transaction},
    rates::StoredTime,
    wire::federation::EnqueueFederatedReply,
};

/// What is sent in one frame.
pub(super) struct Sent {
    /// It reaches up to this entry, not included.
    pub through: u64,
    /// The epoch of its entries, if it has any.
    pub epoch: Option<u64>,
}

/// What the peer said. `None`: nothing, or nothing that could be read.
pub(super) type Answer = Option<Result<EnqueueFederatedReply, Refusal>>;

/// So many answers in a row may bring nothing forward before the stream waits between attempts: each lost epoch
/// or unreadable entry takes one.
const FREE_STALLS: u32 = 3;

/// The shortest wait for a peer that limits our rate.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);

/// Notes what came of a frame.
pub(super) fn note(
    transaction: &mut Transaction<'_>,
    name: &StreamName,
    (start, end): (&mut OutboundStart, &OutboundEnd),
    (sent, answer): (&Sent, Answer),
) -> Result<(), Interrupt> {
    let refusal = match answer {
        None => return back_off(transaction, name, None),
        Some(Ok(reply)) => {
            peer::reachable(transaction, &name.destination)?;
            let position = reply.accepted_through;
            return stands_at(transaction, name, (start, end), (position, sent.through));
        }
        Some(Err(refusal)) => refusal,
    };
    match &refusal {
        Refusal::StreamPosition { expected } => {
            peer::reachable(transaction, &name.destination)?;
            return stands_at(transaction, name, (start, end), (*expected, sent.through));
        }
        // It cannot read an entry: that one is passed over, those behind it go on.
        Refusal::UnreadableEntry { sequence } if (start.first..sent.through).contains(sequence) => {
            drop_content(transaction, name, *sequence)?;
        }
        // It has lost the key that the epoch's seed is sealed to: nobody can read these entries any more. What
        // is still to be appended begins a new epoch, with a seed that the peer can open.
        Refusal::StreamEpoch { epoch } if sent.epoch == Some(*epoch) => {
            start.lost_epoch = start.lost_epoch.max(sent.epoch);
        }
        // What it has of the stream is not what is here: this store is an older copy of what it was.
        Refusal::StreamDiverged => start_over(transaction, name, start)?,
        Refusal::RateLimited { retry_after_milliseconds } => {
            let longest = transaction.config().times.backoff_limit;
            let wait = Duration::from_millis(*retry_after_milliseconds).max(SHORTEST_WAIT).min(longest);
            wait_for(transaction, name, (start, wait));
            return Ok(());
        }
        // It will have none of this stream. Others may fare better.
        Refusal::TooManyStreams
        | Refusal::UnreadableEntry { .. }
        | Refusal::StreamEpoch { .. }
        | Refusal::StoredData { .. }
        | Refusal::Malformed
        | Refusal::TooLarge { .. }
        | Refusal::Internal => start.stalled = start.stalled.max(FREE_STALLS),
        other => return back_off(transaction, name, Some(other)),
    }
    peer::reachable(transaction, &name.destination)?;
    report(transaction, name, &refusal);
    stalled(transaction, name, start);
    Ok(())
}

/// The peer has accepted every entry before `position`, and says so. It was sent those before `through`.
fn stands_at(
    transaction: &mut Transaction<'_>,
    name: &StreamName,
    (start, end): (&mut OutboundStart, &OutboundEnd),
    (position, through): (u64, u64),
) -> Result<(), Interrupt> {
    start.claimed = None;
    // The end must not be old: what was appended meanwhile, another node may have delivered.
    if position > end.next && transaction.get::<OutboundEnd>(name)?.is_some_and(|end| position > end.next) {
        start_over(transaction, name, start)?;
        report(transaction, name, &Refusal::StreamPosition { expected: position });
    } else if position > through {
        start.claimed = Some(position.min(end.next));
        start.skip_from = None;
    } else if position > start.first || start.skip_from.is_some_and(|from| position > from) {
        return advance(transaction, name, (start, end), position);
    } else if position < start.first {
        // It expects what is gone here.
        start.skip_from = Some(position);
    }
    stalled(transaction, name, start);
    Ok(())
}

/// The peer has more of the stream than there ever was here, or something else: this store is an older copy of
/// what it was. The peer would take what is new for what it has already, so all goes on in a new stream, and
/// those whose messages waited are told.
pub(super) fn start_over(
    transaction: &mut Transaction<'_>,
    name: &StreamName,
    start: &mut OutboundStart,
) -> Result<(), Interrupt> {
    let Some(mut end) = transaction.get::<OutboundEnd>(name)? else { return Ok(()) };
    end.stream_id = StreamId(transaction.random().array());
    transaction.put(name, &end);
    start.lost_epoch = start.lost_epoch.max(end.chain.map(|chain| chain.epoch));
    (start.skip_from, start.claimed) = (None, None);
    Ok(())
}

/// Drops what is accepted, and goes on: if there is nothing more, the next run finds that out.
fn advance(
    transaction: &mut Transaction<'_>,
    name: &StreamName,
    (start, end): (&mut OutboundStart, &OutboundEnd),
    accepted: u64,
) -> Result<(), Interrupt> {
    let first = start.first.max(end.present);
    // At most what is in one frame, or what the peer had already: bounded by what a commit takes.
    let accepted = accepted.clamp(start.first, first.saturating_add(2 * MAX_STREAM_EPOCH));
    for sequence in first..accepted {
        transaction.delete::<OutboundEntry>(&name.entry(sequence));
    }
    // Not read for good: the entry may be one that is being appended.
    let next = transaction.snapshot().read::<OutboundEntry>(&name.entry(accepted))?.intact();
    let epoch = match next {
        Some(entry) => entry.epoch,
        None if accepted >= end.next => end.chain.as_ref().map_or(0, |chain| chain.epoch),
        None => start.oldest_epoch,
    };
    let over = start.oldest_epoch..epoch.min(start.oldest_epoch.saturating_add(2 * MAX_STREAM_EPOCH));
    start.oldest_epoch = start.oldest_epoch.max(over.end);
    for epoch in over {
        transaction.delete::<OutboundEpoch>(&name.epoch(epoch));
    }
    start.first = accepted;
    start.skip_from = None;
    start.stalled = 0;
    transaction.put(name, &*start);
    transaction.schedule(Timer::Deliver(name.clone()), transaction.now());
    Ok(())
}

/// The answer brought nothing forward. It is tried again: at once a few times, for the frame will be another
/// one; then later and later, for the peer does not make sense. Only this stream waits.
pub(super) fn stalled(transaction: &mut Transaction<'_>, name: &StreamName, start: &mut OutboundStart) {
    start.stalled = start.stalled.saturating_add(1);
    let times = &transaction.config().times;
    let (first, longest) = (times.backoff_first, times.backoff_limit);
    let wait = match start.stalled.saturating_sub(FREE_STALLS) {
        0 => Duration::ZERO,
        failures => backoff::wait(transaction.random(), failures, first, longest),
    };
    wait_for(transaction, name, (start, wait));
}

/// Has the stream wait, whatever is appended meanwhile.
fn wait_for(
    transaction: &mut Transaction<'_>,
    name: &StreamName,
    (start, wait): (&mut OutboundStart, Duration),
) {
    let wait_until = transaction.now() + wait;
    start.wait_until = StoredTime::new(wait_until);
    transaction.put(name, &*start);
    transaction.schedule(Timer::Deliver(name.clone()), wait_until);
}

/// Nothing was delivered, and nothing would be in other streams: tries again later.
pub(super) fn back_off(
    transaction: &mut Transaction<'_>,
    name: &StreamName,
    refusal: Option<&Refusal>,
) -> Result<(), Interrupt> {
    let retry_at = peer::failed(transaction, name)?;
    if let Some(refusal) = refusal {
        report(transaction, name, refusal);
    }
    transaction.schedule(Timer::Deliver(name.clone()), retry_at);
    Ok(())
}

fn report(transaction: &mut Transaction<'_>, name: &StreamName, refusal: &Refusal) {
    let report = Report::PeerRefuses { destination: name.destination.clone(), refusal: refusal.clone() };
    transaction.effect(Effect::Report(report));
}
