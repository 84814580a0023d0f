//! Worlds in which what is done once a day at most, or bounds what is done in a day, comes every minute.

use std::time::Duration;

use phoenix_core::rng::Random;

use crate::plan::{DeviceCopy, Fault, FaultKind, ServerPlan, Settings};

/// In one world of this many, ratchets are renewed within a minute.
const RENEWED: u64 = 3;

/// In one world of this many, allowances of tokens are small and count for a minute.
const SHORT_OF_TOKENS: u64 = 3;

/// In one world of this many, token keys issue for minutes only.
const BRIEF_TOKEN_KEYS: u64 = 4;

/// How many tokens a client fetches at a time.
const BATCH: u64 = 20;

/// Has ratchets renewed soon, token keys retire soon, and makes tokens scarce, in some worlds. A client gets one batch of tokens in a
/// minute; of the clients of one domain, and of all others', about half do.
pub fn hasten(random: &mut Random, settings: &Settings, servers: &mut [ServerPlan], faults: &[Fault]) {
    let (renewed, short) = (random.below(RENEWED) == 0, random.below(SHORT_OF_TOKENS) == 0);
    let mut seconds = |least: u64, most: u64| Duration::from_secs(least + random.below(most - least));
    let (rotation, epoch, token_key) = (seconds(10, 60), seconds(10, 60), seconds(180, 600));
    let brief = random.below(BRIEF_TOKEN_KEYS) == 0;
    let half = |clients: usize, more: u64| BATCH * (clients as u64 / 2 + more).max(1);
    let clients = settings.users.div_ceil(settings.servers.max(1));
    let of_domain = half(clients, random.below(2));
    let of_all = half(settings.users - clients, random.below(2));
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
        if short {
            config.rates.token_time_frame = Duration::from_secs(60);
            config.rates.token_allowance = BATCH;
            config.rates.domain_first_day = of_domain;
            config.rates.domain_limit = of_domain;
            config.rates.new_domains = of_all;
        }
    }
}
