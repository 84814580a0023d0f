//! Durations as people write them: a whole number and a unit, `"250 ms"`, `"30 s"`, `"5 min"`, `"1 h"`, `"7 d"`.

use std::time::Duration;

/// Units from the longest, in milliseconds.
const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1)];

/// A text is no duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a duration is a whole number and one of ms, s, min, h and d, for example \"5 min\"")]
pub struct InvalidDuration;

/// Reads a duration.
///
/// # Errors
/// [`InvalidDuration`].
pub fn parse(text: &str) -> Result<Duration, InvalidDuration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| InvalidDuration)?;
    let (_, length) = UNITS.iter().find(|(name, _)| *name == unit.trim()).ok_or(InvalidDuration)?;
    number.checked_mul(*length).map(Duration::from_millis).ok_or(InvalidDuration)
}

/// Writes a duration in the longest unit that leaves a whole number. Parts of a millisecond are dropped.
pub fn format(duration: Duration) -> String {
    let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let fits = |(_, length): &&(&str, u64)| milliseconds > 0 && milliseconds.is_multiple_of(*length);
    let (unit, length) = UNITS.iter().find(fits).copied().unwrap_or(("s", 1_000));
    format!("{} {unit}", milliseconds / length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        for (text, milliseconds) in [
            ("1 ms", 1),
            ("1500 ms", 1500),
            ("90 s", 90_000),
            ("5 min", 300_000),
            ("1 h", 3_600_000),
            ("7 d", 604_800_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)));
            assert_eq!(format(Duration::from_millis(milliseconds)), text);
        }
        assert_eq!(parse("5min"), parse("5 min"));
        assert_eq!(parse(&format(Duration::ZERO)), Ok(Duration::ZERO));
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "5",
            "min",
            "5 minutes",
            "-5 s",
            "1.5 h",
            "5 s 3 ms",
            "99999999999999999999 s",
            "18446744073709551615 d",
        ] {
            assert_eq!(parse(text), Err(InvalidDuration), "{text}");
        }
    }
}
