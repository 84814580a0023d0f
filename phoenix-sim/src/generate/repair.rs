//! Mishaps of machines and stores that operators meet. Each kind is drawn from a stream of its own.

use std::time::Duration;

use phoenix_core::rng::Random;

use crate::plan::{Fault, FaultKind, ServerPlan, Settings};

/// In one world of this many no process pauses.
const NO_PAUSES: u64 = 8;

/// In one world of this many the power fails.
const POWER_FAILURES: u64 = 2;

/// Returns all mishaps of a world whose faults end at `end`.
pub fn mishaps(seed: &[u8; 32], settings: &Settings, servers: &[ServerPlan], end: Duration) -> Vec<Fault> {
    let random = |label: &str| Random::derive(seed, label, &[b"repair"]);
    let mut mishaps = pauses(&mut random("pauses"), servers, end);
    mishaps.extend(power_failures(&mut random("power failures"), settings, end));
    mishaps
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
