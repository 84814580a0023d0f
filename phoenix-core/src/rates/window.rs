//! PROTOCOL.md §6, Allowance — how much was counted in the present minute, or other period.

use std::time::Duration;

use tls_codec::{DeserializeBytes, Serialize, Size, TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::time::Timestamp;

/// What was counted in one period. Periods are numbered from the Unix epoch on, so that all nodes agree on
/// them; how long they are, the caller says each time.
#[derive(Debug, Clone, Copy, Default, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct Window<C: Size + Serialize + DeserializeBytes> {
    period: u64,
    counted: C,
}

/// The length of a period in seconds.
fn seconds(length: Duration) -> u64 {
    length.as_secs().max(1)
}

impl<C: Size + Serialize + DeserializeBytes> Window<C> {
    /// Whether the present period is a later one.
    pub fn is_over(&self, now: Timestamp, length: Duration) -> bool {
        self.period < now.seconds() / seconds(length)
    }
}

impl<C: Size + Serialize + DeserializeBytes + Default> Window<C> {
    /// What was counted in the present period, for more to be counted.
    pub fn present(&mut self, now: Timestamp, length: Duration) -> &mut C {
        let present = now.seconds() / seconds(length);
        // If this node's clock is a little behind another's, it counts into that one's period. A period
        // further ahead was noted while a clock was wrong.
        if !(present..=present + 1).contains(&self.period) {
            *self = Self { period: present, counted: C::default() };
        }
        &mut self.counted
    }
}

impl<C: Size + Serialize + DeserializeBytes + Default + Copy + Into<u64> + TryFrom<u64>> Window<C> {
    /// Counts `amount`, unless that makes more than `limit` in the present period.
    ///
    /// # Errors
    /// How long the period still lasts.
    pub fn take(
        &mut self,
        now: Timestamp,
        length: Duration,
        amount: u64,
        limit: u64,
    ) -> Result<(), Duration> {
        let counted = self.present(now, length);
        let sum = (*counted).into().checked_add(amount).filter(|sum| *sum <= limit);
        let Some(sum) = sum.and_then(|sum| C::try_from(sum).ok()) else {
            let end = (self.period + 1).saturating_mul(seconds(length)).saturating_mul(1000);
            return Err(Timestamp::from_milliseconds(end) - now);
        };
        *counted = sum;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::MINUTE;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_milliseconds(seconds * 1000)
    }

    /// Two nodes whose clocks differ by seconds, either side of a minute's border.
    #[test]
    fn clocks_that_differ_count_into_one_period() {
        let mut window = Window::<u32>::default();
        for now in [at(601), at(599), at(601)] {
            assert_eq!(window.take(now, MINUTE, 1, 3), Ok(()));
        }
        for (now, wait) in [(at(601), 59), (at(599), 61)] {
            assert_eq!(window.take(now, MINUTE, 1, 3), Err(Duration::from_secs(wait)));
        }
        assert_eq!(window.take(at(660), MINUTE, 3, 3), Ok(()));
    }

    #[test]
    fn a_period_that_a_wrong_clock_noted_is_forgotten() {
        let mut window = Window::<u64>::default();
        assert_eq!(window.take(at(720), MINUTE, 3, 3), Ok(()));
        assert_eq!(window.take(at(600), MINUTE, 3, 3), Ok(()));
        assert!(window.take(at(600), MINUTE, 1, 3).is_err());
    }

    #[test]
    fn a_window_is_over_with_its_period() {
        let mut window = Window::<u64>::default();
        *window.present(at(600), MINUTE) += 1;
        assert!(!window.is_over(at(659), MINUTE) && window.is_over(at(660), MINUTE));
    }

    #[test]
    fn no_limit_is_too_high_to_count_to() {
        let mut window = Window::<u64>::default();
        assert_eq!(window.take(at(1), MINUTE, u64::MAX, u64::MAX), Ok(()));
        assert!(window.take(at(1), MINUTE, 1, u64::MAX).is_err());
        let mut window = Window::<u32>::default();
        assert!(window.take(at(1), MINUTE, 1 << 32, u64::MAX).is_err());
    }
}
