//! The test vectors of the specification (`phoenix-core/vectors`): made here from fixed keys and seeds by the
//! code that homeservers and clients use, and compared byte by byte with the committed files.
//!
//! A vector that differs fails with the whole file as it should be; `vectors/README.md` says how to write it.

pub(crate) mod credentials;
mod cryptography;
mod frames;
mod queues;
#[cfg(feature = "client")]
mod registration;
mod tokens;

use std::fmt::Write as _;

use crate::{codec::encode, hex::Hex, time::Timestamp};

/// The time of all vectors: 2027-01-15 08:00 UTC.
pub(crate) const NOW: Timestamp = Timestamp::from_milliseconds(1_800_000_000_000);

/// One vector: named values in the order in which they follow from each other.
pub(crate) struct Vector {
    lines: Vec<String>,
}

impl Vector {
    /// A vector of this name without values.
    pub(crate) fn new(name: &str) -> Self {
        Self { lines: Vec::new() }.text("vector", name)
    }

    /// Adds a value that is text. It has no characters that JSON escapes.
    pub(crate) fn text(mut self, name: &str, value: &str) -> Self {
        self.lines.push(format!("\"{name}\": \"{value}\""));
        self
    }

    /// Adds a number.
    pub(crate) fn number(mut self, name: &str, value: u64) -> Self {
        self.lines.push(format!("\"{name}\": {value}"));
        self
    }

    /// Adds bytes, which are written in hexadecimal digits.
    pub(crate) fn bytes(self, name: &str, value: &[u8]) -> Self {
        self.text(name, &Hex(value).to_string())
    }

    /// Adds the encoding of a structure.
    pub(crate) fn encoded(self, name: &str, value: &impl tls_codec::Serialize) -> Self {
        self.bytes(name, &encode(value))
    }
}

/// Compares vectors with the content of `file` in `phoenix-core/vectors`.
///
/// # Panics
/// If a byte differs. The message has the whole file between two markers.
pub(crate) fn check(file: &str, committed: &str, vectors: &[Vector]) {
    let mut made = String::from("[");
    for (number, vector) in vectors.iter().enumerate() {
        let comma = if number > 0 { "," } else { "" };
        write!(made, "{comma}\n  {{\n    {}\n  }}", vector.lines.join(",\n    ")).unwrap();
    }
    made.push_str("\n]\n");
    assert!(committed == made, "out of date:\n>>> phoenix-core/vectors/{file}\n{made}<<<\n");
}
