//! PROTOCOL.md §2, Determinism and storage — from a due timer to the operation that serves it. Leases keep
//! the nodes of one store out of each other's way.
//!
//! Correctness never rests on a lease: if two nodes do the same at once, one of the commits does not apply. A
//! lease spares them the attempt.

use std::time::Duration;

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::{distributor, sweep};
use crate::{
    codec::encode,
    crypto::{kdf, labels::Label},
    error::Refusal,
    federation::outbox,
    homeserver::Homeserver,
    identifiers::NodeId,
    operation::{Effect, Handler, Interrupt, Lane, Operation, Timer, Transaction},
    rates::StoredTime,
    store::{Record, RecordKind},
    time::Timestamp,
};

/// Which node works on a shard of timers.
#[derive(Debug, Clone, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct Lease {
    node: NodeId,
    until: StoredTime,
}

impl Record for Lease {
    type Name = u8;
    const KIND: RecordKind = RecordKind::Lease;
}

/// The operation that a due timer stands for.
pub(super) fn accept(homeserver: &Homeserver, timer: Timer, now: Timestamp, seed: [u8; 32]) -> Operation {
    Operation::new(homeserver.clone(), now, seed, Box::new(TimerHandler(timer)))
}

struct TimerHandler(Timer);

impl Handler for TimerHandler {
    fn lane(&self) -> Lane {
        Lane::of(&[b"timer", &encode(&self.0)])
    }

    fn may_ask(&self) -> bool {
        matches!(self.0, Timer::Deliver(_))
    }

    fn run(&self, transaction: &mut Transaction<'_>) -> Result<Option<Vec<u8>>, Interrupt> {
        if hold_lease(transaction, &self.0)? {
            match &self.0 {
                Timer::Distribute(log) => distributor::distribute(transaction, log)?,
                Timer::Deliver(stream) => outbox::deliver(transaction, stream)?,
                Timer::Sweep => sweep::sweep(transaction)?,
            }
        }
        Ok(None)
    }

    /// A damaged row or contention stands in the way: the timer's row is still there, and the work is tried
    /// again.
    fn refused(&self, transaction: &mut Transaction<'_>, _: &Refusal) -> Option<Vec<u8>> {
        let due = transaction.now() + AFTER_TROUBLE;
        transaction.effect(Effect::Wake { timer: self.0.clone(), due });
        None
    }
}

/// How long to wait before a timer that could not be served is tried again.
const AFTER_TROUBLE: Duration = Duration::from_secs(5);

/// Whether this node may work on `timer`: takes or renews the lease of its shard if it can, else has the
/// timer run again when the other node's lease is over.
fn hold_lease(transaction: &mut Transaction<'_>, timer: &Timer) -> Result<bool, Interrupt> {
    let (now, config) = (transaction.now(), transaction.config());
    let shard = kdf::hash(Label::ROW_NAME, &[&encode(timer)])[0] % LEASE_SHARDS;
    if let Some(lease) = transaction.get::<Lease>(&shard)?
        && let Some(until) = lease.until.pending(now, 2 * config.times.lease)
    {
        if lease.node != config.node {
            transaction.effect(Effect::Wake { timer: timer.clone(), due: until });
            return Ok(false);
        }
        if until > now + config.times.lease / 2 {
            return Ok(true);
        }
    }
    let until = StoredTime::new(now + config.times.lease);
    transaction.put(&shard, &Lease { node: config.node, until });
    Ok(true)
}

/// The number of leases: enough to spread over a few nodes, few enough to renew at no cost.
const LEASE_SHARDS: u8 = 16;
