//! PROTOCOL.md §1, Names — bytes as people read and write them: hexadecimal digits.

use std::fmt;

/// Displays bytes as lower-case hexadecimal digits, two for each.
///
/// ```
/// assert_eq!(phoenix_core::hex::Hex(&[0, 0xab]).to_string(), "00ab");
/// ```
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// Returns the `N` bytes that `text` writes in 2 × `N` hexadecimal digits, of either case. `None` for any
/// other text.
///
/// ```
/// assert_eq!(phoenix_core::hex::parse("00Ab"), Some([0, 0xab]));
/// assert_eq!(phoenix_core::hex::parse::<2>("00abc"), None);
/// ```
pub fn parse<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = [pair[0], pair[1]].map(|digit| char::from(digit).to_digit(16));
        *byte = u8::try_from(high? * 16 + low?).ok()?;
    }
    Some(bytes)
}
