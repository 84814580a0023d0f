//! Clocks that are wrong for a while: those of homeservers and of users' devices.

use std::time::Duration;

use phoenix_core::rng::Random;

use super::phases::Phases;
use crate::plan::{Fault, FaultKind, Settings};

/// In one world of this many, clocks are wrong.
const WRONG_CLOCKS: u64 = 4;

/// By how many milliseconds a clock is ahead, at most: credentials that are made in this time are valid
/// elsewhere two hours before.
const AHEAD: u64 = 100 * 60_000;

/// By how many milliseconds a clock is behind, at most: two days.
const BEHIND: u64 = 2 * 86_400_000;

/// Returns, for one world of four, a few clocks that are set wrong, by seconds to days, and set right again.
pub fn steps(random: &mut Random, settings: &Settings, phases: &Phases) -> Vec<Fault> {
    let happens = random.below(WRONG_CLOCKS) == 0;
    let count = 1 + random.below(3);
    let mut faults = Vec::new();
    for _ in 0..count {
        let most = [10_000, 600_000, AHEAD, BEHIND][random.below(4) as usize];
        let (ahead, size) = (random.below(2) == 0, random.below(most) as i64);
        let by = if ahead { size.min(AHEAD as i64) } else { -size };
        let at = Duration::from_millis(random.below(phases.end.as_millis() as u64));
        let lasts = Duration::from_millis(1_000 + random.below(120_000) * u64::from(phases.leisure));
        let kind = if random.below(2) == 0 {
            let server = random.below(settings.servers as u64) as usize;
            FaultKind::ServerClock { server, by_milliseconds: by }
        } else {
            let user = random.below(settings.users as u64) as usize;
            FaultKind::UserClock { user, by_milliseconds: by }
        };
        faults.push(Fault { at, lasts, kind });
    }
    if happens { faults } else { Vec::new() }
}

/// Returns whether clocks are wrong for a while.
pub fn are_set(faults: &[Fault]) -> bool {
    let sets =
        |fault: &Fault| matches!(fault.kind, FaultKind::ServerClock { .. } | FaultKind::UserClock { .. });
    faults.iter().any(sets)
}
