//! Worlds in which what is done once a day at most comes every few minutes.

use std::time::Duration;

use phoenix_core::rng::Random;

use crate::plan::{DeviceCopy, Fault, FaultKind, ServerPlan};

/// In one world of this many, ratchets are renewed within a minute.
const RENEWED: u64 = 3;

/// In one world of this many, token keys issue for minutes only.
const BRIEF_TOKEN_KEYS: u64 = 4;

/// Has ratchets renewed soon, and token keys retire soon, in some worlds.
pub fn hasten(random: &mut Random, servers: &mut [ServerPlan], faults: &[Fault]) {
    let (renewed, brief) = (random.below(RENEWED) == 0, random.below(BRIEF_TOKEN_KEYS) == 0);
    let mut seconds = |least: u64, most: u64| Duration::from_secs(least + random.below(most - least));
    let (rotation, epoch, token_key) = (seconds(10, 60), seconds(10, 60), seconds(180, 600));
    // An older copy of a client cannot read on behind a rotation.
    let goes_back =
        |fault: &Fault| matches!(fault.kind, FaultKind::ClientCrash { copy: DeviceCopy::Older(_), .. });
    let renewed = renewed && !faults.iter().any(goes_back);
    for config in servers.iter_mut().map(|server| &mut server.config) {
        if renewed {
            (config.times.queue_rotation, config.times.stream_epoch) = (rotation, epoch);
        }
        if brief {
            config.times.token_key = token_key;
        }
    }
}
