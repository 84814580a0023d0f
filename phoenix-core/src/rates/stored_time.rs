//! PROTOCOL.md §2, Determinism and storage — a time in a row, noted by a node whose clock may have been
//! wrong.

use std::time::Duration;

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::time::Timestamp;

/// A time that a node noted by its own clock. Encoded as a [`Timestamp`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct StoredTime(Timestamp);

impl StoredTime {
    /// The time as it was noted.
    pub const fn new(time: Timestamp) -> Self {
        Self(time)
    }

    /// The time; `now` if it lies more than `ahead` in the future, for then it was noted while a clock was
    /// wrong.
    pub fn corrected(self, now: Timestamp, ahead: Duration) -> Timestamp {
        if self.0 > now + ahead { now } else { self.0 }
    }

    /// The time, if it is still to come. `longest` is the longest wait that any node notes.
    pub fn pending(self, now: Timestamp, longest: Duration) -> Option<Timestamp> {
        Some(self.corrected(now, longest)).filter(|time| now < *time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::MINUTE;

    #[test]
    fn a_time_is_pending_until_it_has_come_unless_it_is_further_ahead_than_any_wait() {
        let now = Timestamp::from_milliseconds(1_000_000_000);
        let pending = |time: Timestamp| StoredTime::new(time).pending(now, MINUTE);
        for time in [now + Duration::from_millis(1), now + MINUTE] {
            assert_eq!(pending(time), Some(time));
        }
        for time in [now - MINUTE, now, now + MINUTE + Duration::from_millis(1)] {
            assert_eq!(pending(time), None);
        }
    }
}
