//! The system's clock and random generator.

use std::time::{SystemTime, UNIX_EPOCH};

use phoenix_core::time::Timestamp;

/// Returns the time of the system's clock.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_milliseconds(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Returns 32 bytes from the system's random generator. Aborts the process if the system has no randomness:
/// nothing that a homeserver did without would be safe.
pub fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    if let Err(error) = getrandom::fill(&mut seed) {
        tracing::error!(%error, "the system gives no randomness");
        std::process::abort();
    }
    seed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_of_this_century_and_seeds_differ() {
        assert!(now() > Timestamp::from_milliseconds(1_700_000_000_000));
        assert_ne!(seed(), seed());
    }
}
