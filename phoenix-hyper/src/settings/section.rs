//! Sections that are structures of other modules, with durations written as in all others.
//!
//! They serialize a duration as seconds and nanoseconds. Which fields are durations, their own defaults tell; so
//! nothing here repeats their fields.

use std::time::Duration;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, Error as _},
    ser::Error as _,
};
use serde_json::{Map, Value};

use super::duration;

/// Seconds and nanoseconds, as serde writes and reads durations.
fn is_duration(value: &Value) -> bool {
    value.is_object()
}

fn fields<T: Serialize>(section: &T) -> Result<Map<String, Value>, serde_json::Error> {
    serde_json::from_value(serde_json::to_value(section)?)
}

/// For `#[serde(with)]`.
pub fn serialize<T: Serialize, S: Serializer>(section: &T, serializer: S) -> Result<S::Ok, S::Error> {
    let mut fields = fields(section).map_err(S::Error::custom)?;
    for value in fields.values_mut().filter(|value| is_duration(value)) {
        let length = Duration::deserialize(&*value).map_err(S::Error::custom)?;
        *value = duration::format(length).into();
    }
    fields.serialize(serializer)
}

/// For `#[serde(with)]`.
pub fn deserialize<'de, T: Serialize + DeserializeOwned + Default, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    let defaults = fields(&T::default()).map_err(D::Error::custom)?;
    let mut fields = Map::deserialize(deserializer)?;
    for (name, value) in &mut fields {
        let refused = |reason: &dyn std::fmt::Display, value: &Value| {
            D::Error::custom(format_args!("{name} = {value}: {reason}"))
        };
        if !defaults.get(name).is_some_and(is_duration) {
            continue;
        }
        let length = value.as_str().ok_or(duration::InvalidDuration).and_then(duration::parse);
        let length = length.map_err(|reason| refused(&reason, value))?;
        *value = serde_json::to_value(length).map_err(D::Error::custom)?;
    }
    T::deserialize(Value::Object(fields)).map_err(D::Error::custom)
}
