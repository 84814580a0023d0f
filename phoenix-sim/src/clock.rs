//! Virtual time: it advances when an event is taken from the schedule, and stands still otherwise.

use std::time::Duration;

use phoenix_core::time::Timestamp;

use crate::interpose;

/// The time at which every world begins.
pub const START: Timestamp = Timestamp::from_milliseconds(interpose::START_MILLISECONDS);

/// The clock of one world.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    now: Timestamp,
}

impl Default for Clock {
    fn default() -> Self {
        Self { now: START }
    }
}

impl Clock {
    /// Returns the current time.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Returns the time since the world began.
    pub fn elapsed(&self) -> Duration {
        self.now - START
    }

    /// Advances to `time`, for dependencies that read the system's clock too. A `time` in the past has no
    /// effect.
    pub fn advance_to(&mut self, time: Timestamp) {
        self.now = self.now.max(time);
        interpose::set_clock(self.now.milliseconds());
    }
}

/// The constant error of a homeserver's clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Skew {
    ahead: Duration,
    behind: Duration,
}

impl Skew {
    /// Returns the error of a clock that is `milliseconds` ahead, or behind if negative.
    pub fn from_milliseconds(milliseconds: i64) -> Self {
        let error = Duration::from_millis(milliseconds.unsigned_abs());
        let (ahead, behind) =
            if milliseconds > 0 { (error, Duration::ZERO) } else { (Duration::ZERO, error) };
        Self { ahead, behind }
    }

    /// Returns what the clock reads at the world's `time`.
    pub fn reads(&self, time: Timestamp) -> Timestamp {
        time + self.ahead - self.behind
    }
}
