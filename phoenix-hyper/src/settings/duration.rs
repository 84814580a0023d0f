//! Durations as people write them, `"250 ms"` or `"1 h 30 min"`, in sections that are structures of other
//! modules.
//!
//! Those structures serialize a duration as seconds and nanoseconds. Which of their fields are durations is
//! read from their defaults, so that nothing here repeats the fields.

use std::{fmt::Display, time::Duration};

use phoenix_core::time::DAY;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, Error as _},
    ser::Error as _,
};
use serde_json::{Map, Value};

/// Parses a duration.
pub(super) fn parse(text: &str) -> Result<Duration, humantime::DurationError> {
    humantime::parse_duration(text)
}

/// Formats a duration. Whole days stay days: months, whose length varies, say nothing here.
pub(super) fn format(duration: Duration) -> String {
    let days = duration.as_secs() / DAY.as_secs();
    if days > 0 && duration == DAY.saturating_mul(u32::try_from(days).unwrap_or(u32::MAX)) {
        return format!("{days}d");
    }
    humantime::format_duration(duration).to_string()
}

/// Whether a value is a duration: seconds and nanoseconds, as serde writes and reads them.
fn is_duration(value: &Value) -> bool {
    value.is_object()
}

fn fields<T: Serialize>(section: &T) -> Result<Map<String, Value>, serde_json::Error> {
    serde_json::from_value(serde_json::to_value(section)?)
}

/// The serializing half of `#[serde(with)]`.
pub(super) fn serialize<T: Serialize, S: Serializer>(section: &T, serializer: S) -> Result<S::Ok, S::Error> {
    let mut fields = fields(section).map_err(S::Error::custom)?;
    for value in fields.values_mut().filter(|value| is_duration(value)) {
        let length = Duration::deserialize(&*value).map_err(S::Error::custom)?;
        *value = format(length).into();
    }
    fields.serialize(serializer)
}

/// The deserializing half of `#[serde(with)]`.
pub(super) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Serialize + DeserializeOwned + Default,
    D: Deserializer<'de>,
{
    let defaults = fields(&T::default()).map_err(D::Error::custom)?;
    let mut fields = Map::deserialize(deserializer)?;
    for (name, value) in &mut fields {
        if !defaults.get(name).is_some_and(is_duration) {
            continue;
        }
        let refused = |reason: &dyn Display| D::Error::custom(format_args!("{name} = {value}: {reason}"));
        let text = value.as_str().ok_or_else(|| refused(&"a duration is a text, for example \"5 min\""))?;
        let length = parse(text).map_err(|reason| refused(&reason))?;
        *value = serde_json::to_value(length).map_err(D::Error::custom)?;
    }
    T::deserialize(Value::Object(fields)).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formatted_durations_parse_to_the_same() {
        for (text, milliseconds) in [
            ("1ms", 1),
            ("1s 500ms", 1500),
            ("1m 30s", 90_000),
            ("1h", 3_600_000),
            ("7d", 604_800_000),
            ("90d", 7_776_000_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)));
            assert_eq!(format(Duration::from_millis(milliseconds)), text);
        }
        let (month, zero) = (Duration::from_secs(2_630_017), Duration::ZERO);
        assert_eq!((parse(&format(month)), parse(&format(zero))), (Ok(month), Ok(zero)));
    }

    #[test]
    fn spaces_and_longer_names_of_units_are_understood() {
        for text in ["5 min", "5min", "5m", "5 minutes", "300 s", "4 min 60 s"] {
            assert_eq!(parse(text), Ok(Duration::from_secs(300)), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in
            ["", "5", "min", "-5 s", "5 fortnights", "99999999999999999999 s", "18446744073709551615 d"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
