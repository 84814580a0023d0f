//! PROTOCOL.md §3, Ratchets — padding to size buckets, so that a ciphertext's length says little about its
//! content.
//!
//! A padded plaintext is its length (4 bytes), the plaintext, and zeros up to the next bucket. Buckets are
//! the powers of two and the numbers halfway between them (16, 24, 32, 48, 64, 96 …): steps of 33 to 50 per
//! cent.

use super::aead::EncryptionError;

/// The smallest bucket, in bytes.
pub const SMALLEST_BUCKET: usize = 16;

const PREFIX: usize = 4;

/// The bytes are not what [`pad`] returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the padding is not valid")]
pub struct InvalidPadding;

/// Pads `plaintext` to the smallest bucket that holds it and its length, and at least `minimum` bytes.
///
/// # Errors
/// [`EncryptionError::TooLong`] if there are more than 2³² - 1 bytes.
pub fn pad(plaintext: &[u8], minimum: usize) -> Result<Vec<u8>, EncryptionError> {
    let length = u32::try_from(plaintext.len()).map_err(|_| EncryptionError::TooLong)?;
    let needed = plaintext.len().checked_add(PREFIX).ok_or(EncryptionError::TooLong)?;
    let size = bucket(needed.max(minimum)).ok_or(EncryptionError::TooLong)?;
    let mut padded = Vec::with_capacity(size);
    padded.extend_from_slice(&length.to_be_bytes());
    padded.extend_from_slice(plaintext);
    padded.resize(size, 0);
    Ok(padded)
}

/// Returns the plaintext inside `padded`.
///
/// # Errors
/// [`InvalidPadding`] if the length is not a bucket's, too short for the content, or the padding not zero.
pub fn unpad(padded: &[u8]) -> Result<&[u8], InvalidPadding> {
    if bucket(padded.len()) != Some(padded.len()) {
        return Err(InvalidPadding);
    }
    let (prefix, rest) = padded.split_first_chunk::<PREFIX>().ok_or(InvalidPadding)?;
    let length = usize::try_from(u32::from_be_bytes(*prefix)).map_err(|_| InvalidPadding)?;
    let (plaintext, zeros) = rest.split_at_checked(length).ok_or(InvalidPadding)?;
    if zeros.iter().all(|byte| *byte == 0) { Ok(plaintext) } else { Err(InvalidPadding) }
}

/// Returns the smallest bucket of at least `size` bytes; `None` if it would not fit into a `usize`.
pub fn bucket(size: usize) -> Option<usize> {
    let power = size.max(SMALLEST_BUCKET).checked_next_power_of_two()?;
    let between = power / 4 * 3;
    Some(if between >= size && between >= SMALLEST_BUCKET { between } else { power })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn round_trip(content in proptest::collection::vec(any::<u8>(), 0..3000), minimum in 0_usize..2000) {
            let padded = pad(&content, minimum).unwrap();
            prop_assert!(padded.len() >= minimum);
            // Padding adds at most half of what is needed.
            prop_assert!(padded.len() <= (content.len() + 4).max(minimum).max(SMALLEST_BUCKET) * 3 / 2);
            prop_assert_eq!(unpad(&padded), Ok(content.as_slice()));
        }

        #[test]
        fn what_unpads_is_what_pad_makes(mut input in proptest::collection::vec(0_u8..3, 0..70)) {
            if let Some(prefix) = input.get_mut(..3) {
                prefix.fill(0);
            }
            if let Ok(content) = unpad(&input) {
                prop_assert_eq!(pad(content, input.len()).unwrap(), input);
            }
        }

        #[test]
        fn other_lengths_and_dirty_padding_are_refused(
            content in proptest::collection::vec(any::<u8>(), 0..200),
            position in 0_usize..400,
        ) {
            let padded = pad(&content, 0).unwrap();
            prop_assert_eq!(unpad(&padded[..padded.len() - 1]), Err(InvalidPadding));
            let mut longer = padded.clone();
            longer.push(0);
            prop_assert_eq!(unpad(&longer), Err(InvalidPadding));
            let unused = padded.len() - 4 - content.len();
            if unused > 0 {
                let mut dirty = padded;
                let position = 4 + content.len() + position % unused;
                dirty[position] = 1;
                prop_assert_eq!(unpad(&dirty), Err(InvalidPadding));
            }
        }
    }

    #[test]
    fn buckets_are_few_and_grow_evenly() {
        let mut buckets: Vec<_> = (0..200).filter_map(bucket).collect();
        buckets.dedup();
        assert_eq!(buckets, [16, 24, 32, 48, 64, 96, 128, 192, 256]);
        assert_eq!(bucket(usize::MAX), None);
        assert_eq!(unpad(&[]), Err(InvalidPadding));
    }
}
