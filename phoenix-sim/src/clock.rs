//! Virtual time: it advances when an event is taken from the schedule, and stands still otherwise.

use std::time::Duration;

use phoenix_core::time::Timestamp;

use crate::interpose;

/// The clock of one world.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Timestamp,
    now: Timestamp,
}

impl Clock {
    /// Creates the clock of a world that begins at `start`, for dependencies that read the system's clock too.
    pub fn starting(start: Timestamp) -> Self {
        interpose::set_clock(start.milliseconds());
        Self { start, now: start }
    }

    /// Returns the current time.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Returns the time since the world began.
    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// Advances to `time`, for dependencies that read the system's clock too. A `time` in the past has no
    /// effect.
    pub fn advance_to(&mut self, time: Timestamp) {
        self.now = self.now.max(time);
        interpose::set_clock(self.now.milliseconds());
    }
}

/// The error of the clock of a homeserver or a device.
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

    /// Returns the error of this clock after it was set forward by `milliseconds`, or back if negative.
    pub fn stepped(self, milliseconds: i64) -> Self {
        let error = self.ahead.as_millis() as i64 - self.behind.as_millis() as i64;
        Self::from_milliseconds(error + milliseconds)
    }

    /// Returns what the clock reads at the world's `time`.
    pub fn reads(&self, time: Timestamp) -> Timestamp {
        time + self.ahead - self.behind
    }
}
