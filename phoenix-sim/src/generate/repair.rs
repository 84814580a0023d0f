//! Mishaps of machines and stores that operators meet. Each kind is drawn from a stream of its own.

use std::time::Duration;

use phoenix_core::rng::Random;

use super::phases::{Phases, is_wild};
use crate::plan::{Damage, DamagedRows, Fault, FaultKind, ServerPlan, Settings};

/// In one world of this many no process pauses.
const NO_PAUSES: u64 = 8;

/// In one world of this many the power fails.
const POWER_FAILURES: u64 = 2;

/// In one wild world of this many a store is restored from a backup.
const RESTORED_STORES: u64 = 4;

/// In one wild world of this many rows of a store are lost or damaged.
const DAMAGED_ROWS: u64 = 4;

/// What may happen to which rows. A damaged message with nothing behind it waits for longer than a world lasts, and
/// so does what a changed rate limits.
const DAMAGES: [(DamagedRows, &[Damage]); 9] = [
    (DamagedRows::Lease, &[Damage::Removed, Damage::Changed]),
    (DamagedRows::PeerKeys, &[Damage::Removed, Damage::Changed]),
    (DamagedRows::FirstContacts, &[Damage::Removed]),
    (DamagedRows::InboundSource, &[Damage::Removed]),
    (DamagedRows::InboundStream, &[Damage::Removed, Damage::Changed]),
    (DamagedRows::QueueEntry, &[Damage::Removed, Damage::Changed]),
    (DamagedRows::FanOutRow, &[Damage::Removed]),
    (DamagedRows::OutboundEntry, &[Damage::Removed, Damage::Changed]),
    (DamagedRows::GroupHead, &[Damage::Removed, Damage::Changed]),
];

/// Returns all mishaps of a world whose faults end at `end`.
pub fn mishaps(seed: &[u8; 32], settings: &Settings, servers: &[ServerPlan], end: Duration) -> Vec<Fault> {
    let random = |label: &str| Random::derive(seed, label, &[b"repair"]);
    let mut mishaps = pauses(&mut random("pauses"), servers, end);
    mishaps.extend(power_failures(&mut random("power failures"), settings, end));
    mishaps
}

/// Returns what harms a store: in some wild worlds it is restored from a backup, in others rows of it are damaged. Not
/// both: what is lost by one could not be told from what is lost by the other.
pub fn harms(seed: &[u8; 32], settings: &Settings, phases: &Phases) -> Vec<Fault> {
    if !is_wild(settings) {
        return Vec::new();
    }
    let random = |label: &str| Random::derive(seed, label, &[b"repair"]);
    let restored = restored_store(&mut random("restored stores"), settings, phases);
    if restored.is_empty() { damaged_rows(&mut random("damaged rows"), settings, phases) } else { restored }
}

/// Returns, for one world of four, one to three damages of rows of one honest homeserver.
fn damaged_rows(random: &mut Random, settings: &Settings, phases: &Phases) -> Vec<Fault> {
    let (happens, count) = (random.below(DAMAGED_ROWS) == 0, 1 + random.below(3));
    let server = random.below(settings.servers as u64) as usize;
    let span = phases.end.saturating_sub(phases.acquaintance).as_millis() as u64;
    let damage = |_| {
        let (rows, damages) = DAMAGES[random.below(DAMAGES.len() as u64) as usize];
        let damage = damages[random.below(damages.len() as u64) as usize];
        let number = random.below(1_000) as usize;
        let at = phases.acquaintance + Duration::from_millis(random.below(span));
        let kind = FaultKind::DamagedRow { server, rows, number, damage };
        Fault { at, lasts: Duration::ZERO, kind }
    };
    if happens { (0..count).map(damage).collect() } else { Vec::new() }
}

/// Returns, for one world of four, the restoration of an honest homeserver's store in the middle of
/// conversations.
fn restored_store(random: &mut Random, settings: &Settings, phases: &Phases) -> Vec<Fault> {
    let happens = random.below(RESTORED_STORES) == 0;
    let server = random.below(settings.servers as u64) as usize;
    let span = phases.end.saturating_sub(phases.acquaintance).as_millis() as u64;
    let at = phases.acquaintance + Duration::from_millis(random.below(span));
    let age = Duration::from_millis(500 + random.below(50_000));
    let lasts = Duration::from_millis(20 + random.below(10_000));
    let kind = FaultKind::StoreRestored { server, age };
    if happens { vec![Fault { at, lasts, kind }] } else { Vec::new() }
}

/// Returns pauses of honest homeservers' processes: from short ones to some that outlast a lease.
fn pauses(random: &mut Random, servers: &[ServerPlan], end: Duration) -> Vec<Fault> {
    let count = 1 + random.below(8);
    if random.below(NO_PAUSES) == 0 {
        return Vec::new();
    }
    let honest = servers.len() as u64 - 1;
    let pause = |_| {
        let server = random.below(honest) as usize;
        let number = random.below(servers[server].nodes as u64) as usize;
        let (least, range) = [(5, 500), (1_000, 15_000), (31_000, 60_000)][random.below(3) as usize];
        let at = Duration::from_millis(random.below(end.as_millis() as u64));
        let lasts = Duration::from_millis(least + random.below(range));
        Fault { at, lasts, kind: FaultKind::Pause { server, number } }
    };
    (0..count).map(pause).collect()
}

/// Returns, for every other world, power failures of honest homeservers and of devices of their users.
fn power_failures(random: &mut Random, settings: &Settings, end: Duration) -> Vec<Fault> {
    let count = 1 + random.below(4);
    if random.below(POWER_FAILURES) > 0 {
        return Vec::new();
    }
    let failure = |_| {
        let server = random.below(settings.servers as u64) as usize;
        let users = (0..settings.users).filter(|user| user % settings.servers == server);
        let users = users.filter(|_| random.below(2) == 0).collect();
        let at = Duration::from_millis(random.below(end.as_millis() as u64));
        let lasts = Duration::from_millis(20 + random.below(10_000));
        let commits = 1 + random.below(8);
        Fault { at, lasts, kind: FaultKind::PowerFailure { server, commits, users } }
    };
    (0..count).map(failure).collect()
}
