//! PROTOCOL.md §9, Outbox — whether a peer is reachable: backoff and circuit breaker.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::backoff;
use crate::{
    codec::List,
    identifiers::{Domain, StreamName},
    operation::{Interrupt, Timer, Transaction},
    rates::StoredTime,
    store::{Key, Record, RecordKind},
    time::Timestamp,
};

/// What deliveries to a failing peer wait for. There is no row while deliveries succeed.
#[derive(Debug, Clone, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct PeerState {
    /// Failures in a row.
    failures: u32,
    /// When the first of them was.
    pub since: Timestamp,
    /// Not to be tried before.
    retry_at: StoredTime,
    /// The one stream that may try while the breaker is open.
    probe: Option<Probe>,
    /// Streams that wait for the peer.
    waiting: List<StreamName, 256>,
}

#[derive(Debug, Clone, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct Probe {
    stream: StreamName,
    until: StoredTime,
}

impl Record for PeerState {
    type Name = Domain;
    const KIND: RecordKind = RecordKind::PeerState;
}

/// The row with what is known of a peer.
pub(super) fn row(domain: &Domain) -> Key {
    Key::of::<PeerState>(domain)
}

/// The number of failures in a row from which on the breaker is open: one stream tries for all.
const BREAKER_OPENS: u32 = 5;

/// Whether a stream may try now.
pub(super) enum Permission {
    /// It may try.
    Go,
    /// It may not try before this time.
    Wait(Timestamp),
    /// It is to try for all others, once that is committed.
    Probe,
}

/// Whether `stream` may be delivered now.
pub(super) fn permission(
    transaction: &mut Transaction<'_>,
    stream: &StreamName,
) -> Result<Permission, Interrupt> {
    let Some(mut state) = transaction.get::<PeerState>(&stream.destination)? else {
        return Ok(Permission::Go);
    };
    let now = transaction.now();
    let times = &transaction.config().times;
    if let Some(retry_at) = state.retry_at.pending(now, times.backoff_limit) {
        wait_for_peer(transaction, stream, state);
        return Ok(Permission::Wait(retry_at));
    }
    if state.failures < BREAKER_OPENS {
        return Ok(Permission::Go);
    }
    let is_probe = state.probe.as_ref().is_some_and(|probe| probe.stream == *stream);
    match state.probe.as_ref().and_then(|probe| probe.until.pending(now, times.lease)) {
        Some(_) if is_probe => Ok(Permission::Go),
        Some(until) => {
            wait_for_peer(transaction, stream, state);
            Ok(Permission::Wait(until))
        }
        None => {
            let until = StoredTime::new(now + times.lease);
            state.probe = Some(Probe { stream: stream.clone(), until });
            transaction.put(&stream.destination, &state);
            Ok(Permission::Probe)
        }
    }
}

/// Notes that `stream` waits, so that it is woken when the peer is reachable again.
fn wait_for_peer(transaction: &mut Transaction<'_>, stream: &StreamName, mut state: PeerState) {
    if !state.waiting.contains(stream) && state.waiting.push(stream.clone()).is_ok() {
        transaction.put(&stream.destination, &state);
    }
}

/// Notes a failure. Returns the time of the next attempt.
pub(super) fn failed(transaction: &mut Transaction<'_>, stream: &StreamName) -> Result<Timestamp, Interrupt> {
    let now = transaction.now();
    let state = transaction.get::<PeerState>(&stream.destination)?;
    let mut state = state.unwrap_or(PeerState {
        failures: 0,
        since: now,
        retry_at: StoredTime::new(now),
        probe: None,
        waiting: List::default(),
    });
    state.failures = state.failures.saturating_add(1);
    let times = &transaction.config().times;
    let wait = backoff::wait(transaction.random(), state.failures, times.backoff_first, times.backoff_limit);
    let retry_at = now + wait;
    state.retry_at = StoredTime::new(retry_at);
    state.probe = None;
    if !state.waiting.contains(stream) {
        let _ = state.waiting.push(stream.clone());
    }
    transaction.put(&stream.destination, &state);
    Ok(retry_at)
}

/// Notes that the peer is reachable: it answered, or delivered something authenticated. All that waits goes
/// on.
pub(super) fn reachable(transaction: &mut Transaction<'_>, domain: &Domain) -> Result<(), Interrupt> {
    let Some(state) = transaction.get::<PeerState>(domain)? else { return Ok(()) };
    transaction.delete::<PeerState>(domain);
    for stream in state.waiting {
        transaction.schedule(Timer::Deliver(stream), transaction.now());
    }
    Ok(())
}

/// Since when deliveries to the peer have been failing; `None` if they are not.
pub(super) fn failing_since(
    transaction: &mut Transaction<'_>,
    domain: &Domain,
) -> Result<Option<Timestamp>, Interrupt> {
    Ok(transaction.snapshot().get::<PeerState>(domain)?.map(|state| state.since))
}
