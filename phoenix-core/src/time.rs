//! PROTOCOL.md §1, Times — time as it comes in from outside: milliseconds, never read from a clock.
//!
//! [`Timestamp`] travels and is stored. [`Hour`] and [`Month`] are what is kept of it where less is enough:
//! the hour in which a row expires, the month in which something was last used. No arithmetic here overflows:
//! results are clipped to what the type holds.

use std::{
    fmt,
    str::FromStr,
    time::{Duration, UNIX_EPOCH},
};

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// A point in time: milliseconds since 1970-01-01 00:00 UTC, without leap seconds.
///
/// Encoded as 8 bytes. Written and read as in RFC 3339, in UTC; a text may leave out the fraction.
///
/// ```
/// use phoenix_core::time::{Timestamp, HOUR};
/// let now = Timestamp::from_milliseconds(1_800_000_000_000);
/// assert_eq!(now.to_string(), "2027-01-15T08:00:00.000Z");
/// assert_eq!("2027-01-15T08:00:00Z".parse(), Ok(now));
/// assert_eq!((now + HOUR) - now, HOUR);
/// ```
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    TlsSize,
    TlsSerialize,
    TlsDeserializeBytes,
)]
pub struct Timestamp(u64);

/// One minute, of 60 seconds.
pub const MINUTE: Duration = Duration::from_secs(60);
/// How far two clocks may differ that are taken for right. A time further ahead was noted by a wrong one.
pub const CLOCK_TOLERANCE: Duration = MINUTE.saturating_mul(5);
/// One hour, of 60 minutes.
pub const HOUR: Duration = Duration::from_secs(60 * 60);
/// One day, of 24 hours.
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Timestamp {
    /// Returns the time that is this number of milliseconds after the Unix epoch.
    pub const fn from_milliseconds(milliseconds: u64) -> Self {
        Self(milliseconds)
    }

    /// Returns the milliseconds since the Unix epoch.
    pub const fn milliseconds(self) -> u64 {
        self.0
    }

    /// Returns the whole seconds since the Unix epoch, as MLS counts lifetimes.
    pub const fn seconds(self) -> u64 {
        self.0 / 1000
    }

    /// Returns the time since `earlier`; zero if `earlier` is the later one.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Returns the hour that the time lies in: expiring records are named by it (PROTOCOL.md §10).
    pub const fn hour(self) -> Hour {
        Hour((self.0 / 3_600_000) as u32)
    }

    /// Returns the whole days since the Unix epoch.
    pub const fn day(self) -> u32 {
        (self.0 / 86_400_000) as u32
    }

    /// Returns the month that the time lies in: all that is kept of when something was last used (PROTOCOL.md
    /// §10).
    pub fn month(self) -> Month {
        // Days to civil date, counting years from 1 March so that leap days come last.
        let days = self.0 / 86_400_000 + 719_468;
        let era_day = days % 146_097;
        let year_of_era = (era_day - era_day / 1460 + era_day / 36_524 - era_day / 146_096) / 365;
        let day_of_year = era_day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = days / 146_097 * 400 + year_of_era + u64::from(month <= 2);
        Month((year * 12 + month - 1) as u32)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // RFC 3339 has no later text than the end of the year 9999.
        let shown = Duration::from_millis(self.0.min(MAX_SHOWN));
        humantime::format_rfc3339_millis(UNIX_EPOCH + shown).fmt(formatter)
    }
}

/// The last millisecond of the year 9999, since the Unix epoch.
const MAX_SHOWN: u64 = 253_402_300_799_999;

/// A text that is not a time as [`Timestamp`] reads it. Its author is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a time is written as in RFC 3339, in UTC: 2027-01-15T08:00:00Z")]
pub struct InvalidTimestamp;

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        let time = humantime::parse_rfc3339(text).map_err(|_| InvalidTimestamp)?;
        let since = time.duration_since(UNIX_EPOCH).map_err(|_| InvalidTimestamp)?;
        Ok(Self(u64::try_from(since.as_millis()).map_err(|_| InvalidTimestamp)?))
    }
}

crate::identifiers::text::as_text!(Timestamp);

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl std::ops::Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl std::ops::Sub for Timestamp {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

/// An hour, counted since the Unix epoch. Encoded as 4 bytes, so that hours sort as their encodings do.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    TlsSize,
    TlsSerialize,
    TlsDeserializeBytes,
)]
pub struct Hour(pub u32);

/// A month of the calendar, in UTC. Encoded as 4 bytes: year × 12 + (month − 1).
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    TlsSize,
    TlsSerialize,
    TlsDeserializeBytes,
)]
pub struct Month(u32);

impl Month {
    /// Returns the calendar year.
    pub const fn year(self) -> u32 {
        self.0 / 12
    }

    /// Returns the month of the year, 1 to 12.
    pub const fn month_of_year(self) -> u32 {
        self.0 % 12 + 1
    }
}

/// The time in which something is valid, both ends included (PROTOCOL.md §4, Expiration). One that ends
/// before it begins contains nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct ExpirationData {
    /// The first moment at which it is valid.
    pub not_before: Timestamp,
    /// The last moment at which it is valid.
    pub not_after: Timestamp,
}

impl ExpirationData {
    /// Returns the validity of what is made `now` and lasts for `lifetime`. It begins two hours earlier, for
    /// verifiers whose clocks are behind, and because leaf credentials lie within it and are rounded inwards
    /// to the hour.
    pub fn starting(now: Timestamp, lifetime: Duration) -> Self {
        Self { not_before: now - 2 * HOUR, not_after: now + lifetime }
    }

    /// Whether `now` lies within, ends included.
    pub fn contains(&self, now: Timestamp) -> bool {
        self.not_before <= now && now <= self.not_after
    }

    /// Whether all of `other` lies within this.
    pub fn encloses(&self, other: &Self) -> bool {
        self.not_before <= other.not_before && other.not_after <= self.not_after
    }

    /// Returns the part that both have in common. It contains nothing if there is none.
    pub fn intersection(&self, other: &Self) -> Self {
        Self {
            not_before: self.not_before.max(other.not_before),
            not_after: self.not_after.min(other.not_after),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_follow_the_calendar() {
        let month = |seconds: u64| {
            let month = Timestamp::from_milliseconds(seconds * 1000).month();
            (month.year(), month.month_of_year())
        };
        assert_eq!(month(0), (1970, 1));
        assert_eq!(month(951_782_400), (2000, 2)); // 29 February 2000
        assert_eq!(month(951_868_800), (2000, 3));
        assert_eq!(month(1_798_761_599), (2026, 12));
        assert_eq!(month(1_798_761_600), (2027, 1));
    }

    #[test]
    fn differences_never_wrap() {
        let early = Timestamp::from_milliseconds(5);
        let late = Timestamp::from_milliseconds(9);
        assert_eq!(early - late, Duration::ZERO);
        assert_eq!((early - HOUR).milliseconds(), 0);
    }
}
