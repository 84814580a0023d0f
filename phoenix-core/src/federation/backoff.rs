//! PROTOCOL.md §9, Outbox — exponential backoff with full jitter.

use std::time::Duration;

use crate::rng::Random;

/// How long to wait after the `failures`-th failure in a row: uniformly random up to `first` × 2^(failures −
/// 1), and never more than `limit`. Full jitter spreads peers that failed together.
pub(super) fn wait(random: &mut Random, failures: u32, first: Duration, limit: Duration) -> Duration {
    let ceiling = first.saturating_mul(1 << failures.saturating_sub(1).min(30)).min(limit);
    let milliseconds = u64::try_from(ceiling.as_millis()).unwrap_or(u64::MAX);
    // At least one millisecond, so that a failing peer is never asked in a tight loop.
    Duration::from_millis(1 + random.below(milliseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_and_is_capped_and_jittered() {
        let mut random = Random::from_seed([3; 32]);
        let first = Duration::from_secs(1);
        let limit = Duration::from_secs(60);
        for failures in 1..100 {
            let ceiling = Duration::from_secs(1 << u64::from(failures - 1).min(6)).min(limit);
            let waits: Vec<_> = (0..200).map(|_| wait(&mut random, failures, first, limit)).collect();
            assert!(waits.iter().all(|wait| *wait <= ceiling));
            assert!(waits.iter().any(|wait| *wait > ceiling / 2), "reaches the upper half");
            assert!(waits.iter().any(|wait| *wait < ceiling / 2), "and the lower");
        }
    }
}
