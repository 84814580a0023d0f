//! What goes wrong: with processes, clients, the network and the stores; and when the dishonest attack.

use std::time::Duration;

use phoenix_core::rng::Random;

use super::phases::Phases;
use crate::{
    disk::StoreFaults,
    network::{Conditions, Delays, PerThousand},
    plan::{DeviceCopy, Fault, FaultKind, ServerPlan, Settings},
};

/// In one world of this many a client is restored from an older copy.
const OLDER_COPIES: u64 = 5;

/// How often the dishonest homeserver attempts an attack.
const ATTEMPTS: usize = 40;

/// Returns crashes of honest homeservers' processes, which may overlap, and partitions.
pub fn crashes_and_partitions(random: &mut Random, servers: &[ServerPlan], end: Duration) -> Vec<Fault> {
    let mut faults = Vec::new();
    let span = end.as_millis() as u64;
    let honest = servers.len() as u64 - 1;
    for _ in 0..2 + random.below(10) {
        let server = random.below(honest) as usize;
        let number = random.below(servers[server].nodes as u64) as usize;
        let at = Duration::from_millis(random.below(span));
        let longest = if random.below(3) == 0 { 60_000 } else { 3_000 };
        let lasts = Duration::from_millis(20 + random.below(longest));
        faults.push(Fault { at, lasts, kind: FaultKind::Crash { server, number } });
    }
    for _ in 0..random.below(4) {
        let one_side = (0..servers.len()).filter(|_| random.below(2) == 0).collect();
        let at = Duration::from_millis(random.below(span));
        let lasts = Duration::from_millis(1_000 + random.below(60_000));
        faults.push(Fault { at, lasts, kind: FaultKind::Partition { one_side } });
    }
    faults
}

/// Returns crashes of clients: some in each phase of a client's life.
pub fn client_crashes(random: &mut Random, settings: &Settings, phases: &Phases) -> Vec<Fault> {
    let until = phases.end.as_millis() as u64;
    let from_messages = phases.acquaintance.as_millis() as u64;
    let early = |from: u64, until: u64| from * u64::from(phases.leisure)..until * u64::from(phases.leisure);
    // While clients register, connect, invite and join, and while they send and renew their keys.
    let stretches = [
        early(0, 4_000),
        early(4_000, 15_000),
        early(15_000, 40_000),
        from_messages..until,
        from_messages..until,
    ];
    let mut faults = Vec::new();
    for phase in stretches {
        for _ in 0..1 + random.below(settings.users as u64) {
            let user = random.below(settings.users as u64) as usize;
            let at = phase.start + random.below(phase.end.saturating_sub(phase.start));
            let longest = if random.below(4) == 0 { 30_000 } else { 2_000 };
            let lasts = Duration::from_millis(20 + random.below(longest));
            let kind = FaultKind::ClientCrash { user, steps: random.below(8), copy: DeviceCopy::Last };
            faults.push(Fault { at: Duration::from_millis(at), lasts, kind });
        }
    }
    faults
}

/// Returns, for one world of five, the crash of a client in the middle of its conversations, after which it
/// is restored from an older copy.
pub fn older_copy(random: &mut Random, settings: &Settings, phases: &Phases) -> Option<Fault> {
    let happens = random.below(OLDER_COPIES) == 0;
    let user = random.below(settings.users as u64) as usize;
    let span = phases.stay.saturating_sub(phases.acquaintance).as_millis() as u64;
    let at = phases.acquaintance + Duration::from_millis(span / 4 + random.below(span / 2));
    let copy = DeviceCopy::Older(Duration::from_millis(1_000 + random.below(40_000)));
    let lasts = Duration::from_millis(20 + random.below(10_000));
    let kind = FaultKind::ClientCrash { user, steps: random.below(8), copy };
    happens.then_some(Fault { at, lasts, kind })
}

pub fn network(random: &mut Random) -> Conditions {
    let ms = Duration::from_millis;
    let straggler = ms(100 + random.below(4_000));
    let most = ms(2 + random.below(80));
    let delays = Delays { least: ms(1), most, stragglers: PerThousand(random.below(60) as u16), straggler };
    Conditions {
        delays,
        loss: PerThousand(random.below(80) as u16),
        duplication: PerThousand(random.below(80) as u16),
    }
}

pub fn store_faults(random: &mut Random) -> StoreFaults {
    StoreFaults {
        conflicts: PerThousand(random.below(80) as u16),
        unknown: PerThousand(random.below(40) as u16),
        unreadable: PerThousand(random.below(5) as u16),
        latency: Duration::from_millis(2 + random.below(20)),
    }
}

/// Returns the times of attempts: until a little after the faults end, so that some reach a homeserver for
/// certain.
pub fn attempts(random: &mut Random, end: Duration) -> Vec<Duration> {
    let from = Duration::from_secs(10);
    let span = (end + Duration::from_secs(30) - from).as_millis() as u64;
    (0..ATTEMPTS).map(|_| from + Duration::from_millis(random.below(span))).collect()
}
