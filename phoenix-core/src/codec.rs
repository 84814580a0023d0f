//! PROTOCOL.md §2, Encoding — TLS presentation language, bounded, with one valid encoding of each value.
//!
//! [`encode`] and [`decode`] are the only ways in and out. `decode` refuses trailing bytes, over-long
//! vectors, unknown enum values and every encoding that is not the one `encode` would have produced (such as
//! a vector length in more bytes than it needs). Vectors are [`Bytes`] and [`List`], which carry their limit
//! in the type and check it before anything is allocated.

use std::fmt;

use tls_codec::{DeserializeBytes, Serialize, Size, TlsVarInt};
use zeroize::Zeroize;

/// What has an encoding, on the wire and in the store.
pub trait Codec: Serialize + DeserializeBytes + Size {}

impl<T: Serialize + DeserializeBytes + Size> Codec for T {}

/// Bytes that are not the one encoding of the value that was expected, or a value that is longer than its
/// limit.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    thiserror::Error,
    tls_codec::TlsSize,
    tls_codec::TlsSerialize,
    tls_codec::TlsDeserializeBytes,
)]
#[error("not a valid encoding of the expected type")]
pub struct DecodeError;

/// Returns the encoding of `value`.
///
/// Encoding into memory cannot fail for values whose vectors are within their limits, which their types
/// ensure; a value that breaks this encodes to nothing and will be refused by every decoder.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let encoded = value.tls_serialize_detached();
    debug_assert!(encoded.is_ok(), "a value within its limits encodes");
    encoded.unwrap_or_default()
}

/// Returns the value that `bytes` encode, all of them.
///
/// # Errors
/// [`DecodeError`] if `bytes` are not the one valid encoding of a `T`. The sender is at fault.
pub fn decode<T: Codec>(bytes: &[u8]) -> Result<T, DecodeError> {
    let value = T::tls_deserialize_exact_bytes(bytes).map_err(|_| DecodeError)?;
    if encode(&value) == bytes { Ok(value) } else { Err(DecodeError) }
}

/// A byte string of at most `MAX` bytes. Encoded as its length, a variable-length integer, and the bytes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Bytes<const MAX: usize>(Vec<u8>);

impl<const MAX: usize> Bytes<MAX> {
    /// Takes `bytes` over, without a copy.
    ///
    /// # Errors
    /// [`DecodeError`] if there are more than `MAX`.
    pub fn new(bytes: Vec<u8>) -> Result<Self, DecodeError> {
        if bytes.len() <= MAX { Ok(Self(bytes)) } else { Err(DecodeError) }
    }

    /// Returns the bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// Returns the bytes, without a copy.
    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }
}

impl<const MAX: usize> AsRef<[u8]> for Bytes<MAX> {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl<const MAX: usize> TryFrom<Vec<u8>> for Bytes<MAX> {
    type Error = DecodeError;

    fn try_from(bytes: Vec<u8>) -> Result<Self, DecodeError> {
        Self::new(bytes)
    }
}

/// Shows the length only: the content may be a secret.
impl<const MAX: usize> fmt::Debug for Bytes<MAX> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Bytes({})", self.0.len())
    }
}

impl<const MAX: usize> Zeroize for Bytes<MAX> {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

impl<const MAX: usize> Size for Bytes<MAX> {
    fn tls_serialized_len(&self) -> usize {
        length_prefix(self.0.len()).map_or(0, |prefix| prefix.tls_serialized_len()) + self.0.len()
    }
}

impl<const MAX: usize> Serialize for Bytes<MAX> {
    fn tls_serialize<W: std::io::Write>(&self, writer: &mut W) -> Result<usize, tls_codec::Error> {
        let written = length_prefix(self.0.len())?.tls_serialize(writer)?;
        writer.write_all(&self.0)?;
        Ok(written + self.0.len())
    }
}

impl<const MAX: usize> DeserializeBytes for Bytes<MAX> {
    fn tls_deserialize_bytes(bytes: &[u8]) -> Result<(Self, &[u8]), tls_codec::Error> {
        let (content, rest) = split_vector(bytes, MAX)?;
        Ok((Self(content.to_vec()), rest))
    }
}

/// At most `MAX` values of one type. Encoded as their length *in bytes*, a variable-length integer, and the
/// values one after the other.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct List<T, const MAX: usize>(Vec<T>);

impl<T, const MAX: usize> List<T, MAX> {
    /// Takes `values` over, without a copy.
    ///
    /// # Errors
    /// [`DecodeError`] if there are more than `MAX`.
    pub fn new(values: Vec<T>) -> Result<Self, DecodeError> {
        if values.len() <= MAX { Ok(Self(values)) } else { Err(DecodeError) }
    }

    /// Adds `value` at the end.
    ///
    /// # Errors
    /// `value` itself, if there are `MAX` values already.
    pub fn push(&mut self, value: T) -> Result<(), T> {
        if self.0.len() < MAX {
            self.0.push(value);
            Ok(())
        } else {
            Err(value)
        }
    }

    /// Keeps the values for which `keep` returns true.
    pub fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        self.0.retain(keep);
    }

    /// Removes all values but the first `length`.
    pub fn truncate(&mut self, length: usize) {
        self.0.truncate(length);
    }

    /// Removes all values.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Removes and returns the value at `index`.
    ///
    /// # Panics
    /// If there is no value at `index`.
    pub fn remove(&mut self, index: usize) -> T {
        self.0.remove(index)
    }

    /// Returns the values, without a copy.
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MAX: usize> std::ops::Deref for List<T, MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T, const MAX: usize> std::ops::DerefMut for List<T, MAX> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<T, const MAX: usize> IntoIterator for List<T, MAX> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, T, const MAX: usize> IntoIterator for &'a List<T, MAX> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<T, const MAX: usize> TryFrom<Vec<T>> for List<T, MAX> {
    type Error = DecodeError;

    fn try_from(values: Vec<T>) -> Result<Self, DecodeError> {
        Self::new(values)
    }
}

impl<T: fmt::Debug, const MAX: usize> fmt::Debug for List<T, MAX> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl<T: Size, const MAX: usize> Size for List<T, MAX> {
    fn tls_serialized_len(&self) -> usize {
        let content = self.0.iter().map(Size::tls_serialized_len).sum();
        length_prefix(content).map_or(0, |prefix| prefix.tls_serialized_len()) + content
    }
}

impl<T: Serialize, const MAX: usize> Serialize for List<T, MAX> {
    fn tls_serialize<W: std::io::Write>(&self, writer: &mut W) -> Result<usize, tls_codec::Error> {
        let content = self.0.iter().map(Size::tls_serialized_len).sum();
        let mut written = length_prefix(content)?.tls_serialize(writer)?;
        for value in &self.0 {
            written += value.tls_serialize(writer)?;
        }
        Ok(written)
    }
}

impl<T: DeserializeBytes, const MAX: usize> DeserializeBytes for List<T, MAX> {
    fn tls_deserialize_bytes(bytes: &[u8]) -> Result<(Self, &[u8]), tls_codec::Error> {
        let (mut content, rest) = split_vector(bytes, usize::MAX)?;
        let mut values = Vec::new();
        while !content.is_empty() {
            if values.len() == MAX {
                return Err(tls_codec::Error::InvalidVectorLength);
            }
            let (value, remaining) = T::tls_deserialize_bytes(content)?;
            if remaining.len() == content.len() {
                return Err(tls_codec::Error::InvalidInput);
            }
            values.push(value);
            content = remaining;
        }
        Ok((Self(values), rest))
    }
}

/// Yes or no. Encoded as one byte, 1 or 0; any other is refused.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    tls_codec::TlsSize,
    tls_codec::TlsSerialize,
    tls_codec::TlsDeserializeBytes,
)]
#[repr(u8)]
pub enum Flag {
    /// What is asked does not hold.
    No = 0,
    /// What is asked holds.
    Yes = 1,
}

impl From<bool> for Flag {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

impl From<Flag> for bool {
    fn from(flag: Flag) -> Self {
        flag == Flag::Yes
    }
}

fn length_prefix(length: usize) -> Result<TlsVarInt, tls_codec::Error> {
    let length = u64::try_from(length).map_err(|_| tls_codec::Error::InvalidVectorLength)?;
    TlsVarInt::try_from(length)
}

/// Returns the content of the vector that `bytes` begin with, and the bytes after it.
fn split_vector(bytes: &[u8], max: usize) -> Result<(&[u8], &[u8]), tls_codec::Error> {
    let (length, rest) = TlsVarInt::tls_deserialize_bytes(bytes)?;
    let length = usize::try_from(length.value()).map_err(|_| tls_codec::Error::InvalidVectorLength)?;
    if length > max {
        return Err(tls_codec::Error::InvalidVectorLength);
    }
    rest.split_at_checked(length).ok_or(tls_codec::Error::EndOfStream)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_round_trip(content in proptest::collection::vec(any::<u8>(), 0..200)) {
            let bytes: Bytes<200> = content.try_into().unwrap();
            prop_assert_eq!(decode::<Bytes<200>>(&encode(&bytes)), Ok(bytes));
        }

        #[test]
        fn arbitrary_input_is_refused_or_round_trips(input in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(value) = decode::<List<Bytes<8>, 4>>(&input) {
                prop_assert_eq!(encode(&value), input);
            }
        }
    }

    #[test]
    fn over_long_vectors_are_refused_before_allocation() {
        let long = encode(&Bytes::<64>::new(vec![7; 33]).unwrap());
        assert_eq!(decode::<Bytes<32>>(&long), Err(DecodeError));
        // A length of one gigabyte, followed by nothing.
        assert_eq!(decode::<Bytes<{ usize::MAX }>>(&[0xbf, 0xff, 0xff, 0xff]), Err(DecodeError));
        let many = encode(&List::<u8, 5>::new(vec![1; 5]).unwrap());
        assert_eq!(decode::<List<u8, 4>>(&many), Err(DecodeError));
    }

    #[test]
    fn a_length_written_in_more_bytes_than_needed_is_refused() {
        assert_eq!(decode::<Bytes<8>>(&[1, 42]).unwrap().as_slice(), [42]);
        assert_eq!(decode::<Bytes<8>>(&[0x40, 1, 42]), Err(DecodeError));
    }

    #[test]
    fn trailing_bytes_are_refused() {
        assert_eq!(decode::<Bytes<8>>(&[1, 42, 0]), Err(DecodeError));
    }
}
