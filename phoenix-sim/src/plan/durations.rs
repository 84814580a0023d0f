//! Durations as people write them: `20ms`, `82.5s`, `3m`, `26h`, `1h30m`.

use std::time::Duration;

use toml::{Table, Value};

/// The units with their nanoseconds. Parsing takes the first one that fits, so `ms` stands before `m`.
const UNITS: [(&str, u128); 9] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", SECOND),
    ("m", 60 * SECOND),
    ("h", 3_600 * SECOND),
    ("d", 86_400 * SECOND),
    ("w", 7 * 86_400 * SECOND),
    ("y", 365 * 86_400 * SECOND),
];

const SECOND: u128 = 1_000_000_000;

/// Returns a duration in the unit that needs fewest digits: whole hours, whole minutes, seconds, or
/// milliseconds.
pub fn text(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if duration.subsec_nanos() == 0 {
        return match seconds {
            0 => "0s".to_owned(),
            _ if seconds.is_multiple_of(3_600) => format!("{}h", seconds / 3_600),
            _ if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
            _ => format!("{seconds}s"),
        };
    }
    let (whole, fraction, unit) = if seconds > 0 {
        (seconds, format!("{:09}", duration.subsec_nanos()), "s")
    } else {
        let nanoseconds = duration.subsec_nanos();
        (u64::from(nanoseconds / 1_000_000), format!("{:06}", nanoseconds % 1_000_000), "ms")
    };
    match fraction.trim_end_matches('0') {
        "" => format!("{whole}{unit}"),
        fraction => format!("{whole}.{fraction}{unit}"),
    }
}

/// Returns the sum of one or more numbers with their units. `None` if the text is something else.
pub fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut nanoseconds: u128 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit() && character != '.')?;
        let (number, behind) = rest.split_at(digits);
        let (unit, size) = UNITS.iter().find(|(unit, _)| behind.starts_with(unit))?;
        nanoseconds = nanoseconds.checked_add(times(number, *size)?)?;
        rest = behind[unit.len()..].trim_start();
    }
    let seconds = u64::try_from(nanoseconds / SECOND).ok()?;
    Some(Duration::new(seconds, (nanoseconds % SECOND) as u32))
}

/// Returns a decimal number times `size`, exactly. `None` if that is no whole number.
fn times(number: &str, size: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let parts = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let product = digits.checked_mul(size)?;
    product.is_multiple_of(parts).then_some(product / parts)
}

/// Writes all durations in a table as text.
pub fn spell_out(table: Table) -> Table {
    table.into_iter().map(|(name, value)| (name, spelled_out(value))).collect()
}

fn spelled_out(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(spelled_out).collect()),
        Value::Table(table) => match duration(&table) {
            Some(duration) => Value::String(text(duration)),
            None => Value::Table(spell_out(table)),
        },
        value => value,
    }
}

/// Returns the duration that serde has made this table of.
fn duration(table: &Table) -> Option<Duration> {
    let (seconds, nanoseconds) = (table.get("secs")?.as_integer()?, table.get("nanos")?.as_integer()?);
    let is_one = table.len() == 2;
    is_one.then_some(Duration::new(seconds.try_into().ok()?, nanoseconds.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let seconds = [0, 1, 59, 60, 61, 3_600, 93_600, 86_400 * 365, u64::MAX];
        for seconds in seconds {
            for nanoseconds in [0, 1, 999, 1_000_000, 20_500_000, 500_000_000, 999_999_999] {
                let duration = Duration::new(seconds, nanoseconds);
                assert_eq!(parse(&text(duration)), Some(duration), "{}", text(duration));
            }
        }
    }

    #[test]
    fn durations_are_written_as_people_do() {
        let written =
            [(82_500, "82.5s"), (180_000, "3m"), (20, "20ms"), (93_600_000, "26h"), (90_000, "90s")];
        for (milliseconds, expected) in written {
            assert_eq!(text(Duration::from_millis(milliseconds)), expected);
        }
        assert_eq!(parse("1h30m"), Some(Duration::from_secs(5_400)));
        assert_eq!(parse("1 h"), None);
        assert_eq!(parse("2d 1.5s"), Some(Duration::from_millis(172_801_500)));
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "5", "s", "-1s", "1.2.3s", "1 week", "0.3ns", "1m!"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
