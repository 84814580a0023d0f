//! Virtual time: it moves when an event is taken from the schedule, and stands still otherwise.

use std::time::Duration;

use phoenix_core::time::Timestamp;

use crate::interpose;

/// The time of one world.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    now: Timestamp,
}

/// When worlds begin.
pub const START: Timestamp = Timestamp::from_milliseconds(interpose::START_MILLISECONDS);

impl Default for Clock {
    fn default() -> Self {
        Self { now: START }
    }
}

impl Clock {
    /// The time.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The time since the world began.
    pub fn elapsed(&self) -> Duration {
        self.now - START
    }

    /// Moves on to `time`, for dependencies that read the system's clock too. Never goes back.
    pub fn advance_to(&mut self, time: Timestamp) {
        self.now = self.now.max(time);
        interpose::set_clock(self.now.milliseconds());
    }
}

/// How far the clock of a machine is off: some run ahead, some behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Skew {
    ahead: Duration,
    behind: Duration,
}

impl Skew {
    /// Ahead by so many milliseconds; behind, if they are negative.
    pub fn from_milliseconds(milliseconds: i64) -> Self {
        let off = Duration::from_millis(milliseconds.unsigned_abs());
        let (ahead, behind) = if milliseconds > 0 { (off, Duration::ZERO) } else { (Duration::ZERO, off) };
        Self { ahead, behind }
    }

    /// What the machine's clock reads when it really is `time`.
    pub fn reads(&self, time: Timestamp) -> Timestamp {
        time + self.ahead - self.behind
    }

    /// When the machine's clock reads `time`.
    pub fn real(&self, time: Timestamp) -> Timestamp {
        time + self.behind - self.ahead
    }
}
