//! When what begins, and for how long it goes on.

use std::time::Duration;

use phoenix_core::{
    rng::Random,
    time::{DAY, HOUR, MINUTE, Timestamp},
};

use crate::plan::{Habits, Settings};

/// No world begins before this time, in milliseconds since the Unix epoch: in January 2027.
const EARLIEST_START: u64 = 1_800_000_000_000;

/// Worlds begin within this many milliseconds after [`EARLIEST_START`]: ten years.
const STARTS: u64 = 10 * 365 * 86_400_000;

/// How long a user keeps an account at most: nothing renews its credential, which is valid for 90 days.
const LONGEST_STAY: Duration = DAY.saturating_mul(60);

/// The stretches of a world's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Phases {
    /// When the world begins.
    pub start: Timestamp,
    /// How many times as long as in a world of minutes users take to find each other.
    pub leisure: u32,
    /// How long after they come users send their first messages: by then most are in their groups, but none
    /// has to be.
    pub acquaintance: Duration,
    /// How long a user stays.
    pub stay: Duration,
    /// How often others come in the place of those who have stayed that long, the first time included.
    pub visits: usize,
    /// When the last message has been sent, and the faults end.
    pub end: Duration,
}

impl Phases {
    /// Returns the stretches of the world of `settings`.
    pub fn of(settings: &Settings, random: &mut Random) -> Self {
        let start = Timestamp::from_milliseconds(EARLIEST_START + random.below(STARTS));
        let drawn = drawn_span(settings, random);
        let span = settings.span.unwrap_or(drawn);
        let leisure = if span > HOUR { 60 } else { 1 };
        let acquaintance = MINUTE * leisure;
        let end = acquaintance + span;
        let visits = (end.as_secs().div_ceil(LONGEST_STAY.as_secs())).max(1) as usize;
        Self { start, leisure, acquaintance, stay: end / visits as u32, visits, end }
    }

    /// Returns how often what nobody has told is looked for: in long worlds less often, for nothing waits for
    /// it but what was lost.
    pub fn habits(&self) -> Habits {
        let share = |parts: u32, least: Duration, most: Duration| (self.end / parts).clamp(least, most);
        Habits {
            scan_timers: share(4_000, Duration::from_secs(5), HOUR),
            read_queues: share(1_000, Duration::from_secs(20), 6 * HOUR),
            try_again: share(20_000, Duration::from_secs(3), 5 * MINUTE),
        }
    }
}

/// Returns whether a world may last long, and its stores may be harmed: that of every other seed. In the others what
/// is scarce is sure to be met.
pub const fn is_wild(settings: &Settings) -> bool {
    settings.seed % 2 == 1
}

/// Draws how long messages are sent: minutes in most worlds, hours, days, weeks or months in half of the wild ones.
fn drawn_span(settings: &Settings, random: &mut Random) -> Duration {
    let minutes = Duration::from_millis((1_000 * settings.messages as u64).clamp(30_000, 600_000));
    let (kind, part) = (random.below(100), random.below(1_000) as u32 + 1);
    match kind {
        _ if !is_wild(settings) => minutes,
        0..50 => minutes,
        50..70 => HOUR * 24 / 1_000 * part + HOUR,
        70..88 => DAY * 7 / 1_000 * part + HOUR,
        88..98 => DAY * 42 / 1_000 * part + HOUR,
        _ => DAY * 120 / 1_000 * part + HOUR,
    }
}
