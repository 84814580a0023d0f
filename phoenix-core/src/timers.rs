//! Timers are rows, so that what is due outlives the process; leases keep the nodes of one store out of each
//! other's way.
//!
//! Correctness never rests on a lease: whatever two nodes do at once, one of their commits does not apply. A
//! lease only spares them the attempt.

use std::time::Duration;

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    codec::{decode, encode},
    context::Context,
    crypto::{kdf, labels::Label},
    error::Refusal,
    expiry,
    fan_out::distributor,
    federation::outbox,
    homeserver::Homeserver,
    operation::{Effect, Interrupt, Lane, Operation, Timer},
    store::{Key, Record, RecordKind, Row, Scan, Transaction},
    time::Timestamp,
};

/// When a timer is due.
#[derive(Debug, Clone, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct TimerRow {
    due: Timestamp,
}

impl Record for TimerRow {
    type Name = Timer;
    const KIND: RecordKind = RecordKind::Timer;
}

/// Which node works on a shard of timers.
#[derive(Debug, Clone, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct Lease {
    node: [u8; 16],
    until: Timestamp,
}

impl Record for Lease {
    type Name = u8;
    const KIND: RecordKind = RecordKind::Lease;
}

/// Has `timer` run at `due`, now and after every restart, until it is [cleared](clear).
pub(crate) fn schedule(transaction: &mut Transaction, timer: Timer, due: Timestamp) {
    transaction.put(&timer, &TimerRow { due });
    transaction.effect(Effect::Wake { timer, due });
}

/// Ends `timer`.
pub(crate) fn clear(transaction: &mut Transaction, timer: &Timer) {
    transaction.delete::<TimerRow>(timer);
}

/// Where a node looks for its timers when it starts, and from time to time while others share its store.
pub fn scan(limit: usize) -> Scan {
    Scan::kind(RecordKind::Timer, limit)
}

/// The timer that a row found by [`scan`] stands for, and when it is due. `None` for any other row.
pub fn from_row(key: &Key, row: &Row) -> Option<(Timer, Timestamp)> {
    if key.kind() != RecordKind::Timer {
        return None;
    }
    // Timer rows are plain: one byte of format, then the encoding.
    let row: TimerRow = decode(row.bytes.get(1..)?).ok()?;
    Some((decode(key.name()).ok()?, row.due))
}

/// The timer that runs at every homeserver, from its first start on.
pub const SWEEP: Timer = Timer::Sweep;

/// The operation that a due timer stands for.
pub(crate) fn accept(homeserver: &Homeserver, timer: Timer, now: Timestamp, seed: [u8; 32]) -> Operation {
    let lane = match &timer {
        Timer::Sweep => Lane::Of(b"sweep".to_vec()),
        Timer::Distribute(_) | Timer::Deliver(_) => Lane::Of(encode(&timer)),
    };
    let may_ask = matches!(timer, Timer::Deliver(_));
    let again = timer.clone();
    let body = Box::new(move |transaction: &mut Transaction, context: &mut Context| {
        if hold_lease(transaction, context, &timer)? {
            match &timer {
                Timer::Distribute(log) => distributor::distribute(transaction, context, log)?,
                Timer::Deliver(stream) => outbox::deliver(transaction, context, stream)?,
                Timer::Sweep => expiry::sweep(transaction, context)?,
            }
        }
        Ok(None)
    });
    // Whatever stands in the way, a damaged row or contention: the timer's row is still there, and so is the work.
    let retry = Box::new(move |transaction: &mut Transaction, context: &mut Context, _: &Refusal| {
        transaction.effect(Effect::Wake { timer: again.clone(), due: context.now + AFTER_TROUBLE });
        None
    });
    Operation::new(homeserver.clone(), lane, may_ask, (now, seed), body, retry)
}

/// How long to wait before a timer that could not be served is tried again.
const AFTER_TROUBLE: Duration = Duration::from_secs(5);

/// Whether this node may work on `timer`: takes or renews the lease of its shard where that is possible, else
/// comes back when the other node's lease is over.
fn hold_lease(transaction: &mut Transaction, context: &Context, timer: &Timer) -> Result<bool, Interrupt> {
    let config = context.config();
    let shard = kdf::hash(Label::ROW_NAME, &[&encode(timer)])[0] % LEASE_SHARDS;
    let lease: Option<Lease> = transaction.get(&shard)?;
    // A lease that lasts longer than any does was taken while a clock was wrong.
    let longest = context.now + 2 * config.times.lease;
    if let Some(lease) = lease.filter(|lease| lease.until <= longest) {
        if lease.node != config.node && lease.until > context.now {
            transaction.effect(Effect::Wake { timer: timer.clone(), due: lease.until });
            return Ok(false);
        }
        if lease.node == config.node && lease.until > context.now + config.times.lease / 2 {
            return Ok(true);
        }
    }
    transaction.put(&shard, &Lease { node: config.node, until: context.now + config.times.lease });
    Ok(true)
}

/// How many leases there are: enough to spread over a few nodes, few enough to be renewed for nothing.
const LEASE_SHARDS: u8 = 16;
