//! Numbers and pieces of bytes, read one after the other.

/// A place in some bytes. Every read is `None` behind their end.
#[derive(Clone, Copy)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Begins at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The bytes read so far.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Returns the next `count` bytes.
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    /// Returns the next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// Returns the next byte.
    pub fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    /// Returns a number of seven bits in each byte, the lowest first.
    pub fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_read_behind_the_end() {
        let mut cursor = Cursor::new(&[0xac, 0x02, 7, 8]);
        assert_eq!(cursor.number(), Some(300));
        assert_eq!((cursor.take(3), cursor.byte(), cursor.at()), (None, Some(7), 3));
        assert_eq!((cursor.array::<2>(), cursor.number()), (None, Some(8)));
        assert_eq!(Cursor::new(&[0x80; 12]).number(), None);
    }
}
