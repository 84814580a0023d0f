//! Which half a subject is of.

/// One of the two halves of all subjects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// The one half.
    One,
    /// The other half.
    Other,
}

impl Half {
    /// Both halves.
    pub const BOTH: [Self; 2] = [Self::One, Self::Other];

    /// The half of the subject that these bytes name: as good as drawn, and the same in all images.
    pub fn of(name: &[u8]) -> Self {
        let hash = name.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        if hash.count_ones().is_multiple_of(2) { Self::One } else { Self::Other }
    }

    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::One => Self::Other,
            Self::Other => Self::One,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_halves() {
        let one = (0..1000_u32).filter(|name| Half::of(&name.to_be_bytes()) == Half::One).count();
        assert!((400..600).contains(&one), "{one}");
        assert_eq!(Half::One.other(), Half::Other);
    }
}
