//! Points in time as people write them: as RFC 3339 says, in UTC.

use phoenix_core::time::Timestamp;
use serde::{Deserialize, Deserializer, Serializer, de::Error};

/// Writes a point in time as text.
pub fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

/// Reads a point in time.
///
/// # Errors
/// The text is none.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| D::Error::custom("a time is written as 2027-01-15T08:00:00Z"))
}
