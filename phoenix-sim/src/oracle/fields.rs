//! Reads fields of encoded rows one after the other, without the types of the core that wrote them.

/// What is left of an encoded record. Integers are big-endian; an optional field begins with 0 or 1.
pub struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Reads from the beginning of `bytes`.
    pub const fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Takes the next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, left) = self.0.split_first_chunk()?;
        self.0 = left;
        Some(*taken)
    }

    /// Takes a number of one byte.
    pub fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    /// Takes a number of four bytes.
    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// Takes a number of eight bytes.
    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// Takes what `take` takes, if it is there.
    pub fn optional<T>(&mut self, take: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.u8()? {
            0 => Some(None),
            1 => take(self).map(Some),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_taken_in_their_order() {
        let mut fields = Fields::of(&[0, 0, 0, 7, 1, 9, 0, 5]);
        assert_eq!(fields.u32(), Some(7));
        assert_eq!(fields.optional(Fields::u8), Some(Some(9)));
        assert_eq!(fields.optional(Fields::u64), Some(None));
        assert_eq!((fields.u64(), fields.u8(), fields.u8()), (None, Some(5), None));
    }
}
