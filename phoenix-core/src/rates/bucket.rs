//! PROTOCOL.md §9, Rate limits — a leaky bucket, kept in a row.

use std::time::Duration;

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::stored_time::StoredTime;
use crate::time::{MINUTE, Timestamp};

/// How much was taken lately: drains at a steady rate, and holds a burst at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct Bucket {
    /// In thousandths.
    level: u64,
    /// When the level was this.
    at: StoredTime,
}

/// How much may be taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    /// Sustained.
    pub per_second: u64,
    /// At once.
    pub burst: u64,
}

/// How far ahead of this node's clock another's may be.
const SKEW: Duration = MINUTE;

/// How many seconds a bucket takes to drain to its burst at most: more than the largest single thing takes. A row
/// that says more is damaged, or was written under another rate.
const LONGEST_DEBT: u64 = 3_600;

impl Bucket {
    /// Since when the bucket drains.
    fn since(&self, now: Timestamp) -> Timestamp {
        self.at.corrected(now, SKEW)
    }

    fn drained(&self, now: Timestamp, rate: Rate) -> u64 {
        let elapsed = u64::try_from(now.since(self.since(now)).as_millis()).unwrap_or(u64::MAX);
        let highest = rate.per_second.saturating_mul(LONGEST_DEBT).saturating_add(rate.burst);
        let level = self.level.min(highest.saturating_mul(1000));
        level.saturating_sub(elapsed.saturating_mul(rate.per_second))
    }

    /// Checks that something may be taken now.
    ///
    /// # Errors
    /// How long to wait.
    pub fn check(&self, now: Timestamp, rate: Rate) -> Result<(), Duration> {
        let over = self.drained(now, rate).saturating_sub(rate.burst.saturating_mul(1000));
        if over == 0 {
            return Ok(());
        }
        Err(Duration::from_millis(over.div_ceil(rate.per_second.max(1))))
    }

    /// Takes `amount`. It may go over the limit once; then nothing may be taken until it has drained.
    pub fn take(&mut self, now: Timestamp, rate: Rate, amount: u64) {
        self.level = self.drained(now, rate).saturating_add(amount.saturating_mul(1000));
        self.at = StoredTime::new(self.since(now).max(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_that_waits_as_told_may_go_on() {
        let rate = Rate { per_second: 10, burst: 20 };
        let mut bucket = Bucket::default();
        let mut now = Timestamp::from_milliseconds(1_000_000);
        bucket.take(now, rate, 50);
        let wait = bucket.check(now, rate).unwrap_err();
        assert_eq!(wait, Duration::from_secs(3));
        now = now + wait;
        assert_eq!(bucket.check(now, rate), Ok(()));
    }

    #[test]
    fn clocks_that_differ_drain_nothing_twice_and_a_wrong_one_locks_no_caller_out() {
        let rate = Rate { per_second: 10, burst: 20 };
        let now = Timestamp::from_milliseconds(1_000_000_000);
        let behind = now - Duration::from_secs(2);
        let mut bucket = Bucket::default();
        for _ in 0..10 {
            bucket.take(now, rate, 5);
            bucket.take(behind, rate, 5);
        }
        assert_eq!(bucket.check(now, rate), Err(Duration::from_secs(8)));
        let mut wrong = Bucket::default();
        wrong.take(now + 1000 * MINUTE, rate, 5);
        wrong.take(now, rate, 45);
        assert_eq!(wrong.check(now + Duration::from_secs(3), rate), Ok(()));
    }

    #[test]
    fn a_damaged_level_locks_no_caller_out_for_long() {
        let rate = Rate { per_second: 10, burst: 20 };
        let now = Timestamp::from_milliseconds(1_000_000_000);
        let damaged = Bucket { level: u64::MAX / 2, at: StoredTime::new(now) };
        let wait = damaged.check(now, rate).unwrap_err();
        assert_eq!(damaged.check(now + wait, rate), Ok(()));
        assert!(wait <= Duration::from_secs(LONGEST_DEBT), "{wait:?}");
    }
}
