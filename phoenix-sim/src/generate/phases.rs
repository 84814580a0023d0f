//! When what begins.

use std::time::Duration;

use crate::plan::Settings;

/// When the first message is sent: by then most users are in their groups, but none has to be.
pub const MESSAGES_FROM: Duration = Duration::from_secs(60);

/// Returns for how many milliseconds messages are sent.
pub fn sending_time(settings: &Settings) -> u64 {
    (1_000 * settings.messages as u64).clamp(30_000, 600_000)
}
