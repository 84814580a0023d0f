//! Bytes that rows of different subjects have in common.

/// The bytes of a piece that is compared: by chance, no two are equal.
const PIECE: usize = 8;

/// The bytes of a row that are compared.
const COMPARED: usize = 512;

/// What more subjects than this have in common tells nothing.
const COMMON: usize = 64;

/// Pieces of bytes, each with the subject in whose rows it stands.
#[derive(Default)]
pub struct Grams(Vec<(u64, usize)>);

impl Grams {
    /// Adds the pieces of `bytes`, which stand in a row of these subjects.
    pub fn add(&mut self, bytes: &[u8], subjects: &[usize]) {
        for piece in bytes[..bytes.len().min(COMPARED)].windows(PIECE) {
            let piece = piece.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
            // Runs of one byte are padding.
            if piece != piece.rotate_left(8) {
                self.0.extend(subjects.iter().map(|subject| (piece, *subject)));
            }
        }
    }

    /// Returns for each of `count` subjects the pieces that it shares with others, with what each weighs: the
    /// fewer share it, the more.
    pub fn shared(mut self, count: usize) -> Vec<Vec<(u64, f64)>> {
        self.0.sort_unstable();
        self.0.dedup();
        let mut shared = vec![Vec::new(); count];
        for group in self.0.chunk_by(|one, other| one.0 == other.0) {
            if (2..=COMMON).contains(&group.len()) {
                for (piece, subject) in group {
                    shared[*subject].push((*piece, 1.0 / group.len() as f64));
                }
            }
        }
        shared
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_others_have_too_is_kept() {
        let mut grams = Grams::default();
        grams.add(b"abcdefgh", &[0]);
        grams.add(b"abcdefgh", &[2]);
        grams.add(b"ijklmnop", &[1]);
        grams.add(&[0; 40], &[0, 1, 2]);
        let shared = grams.shared(3);
        assert_eq!(shared[0], shared[2]);
        assert_eq!((shared[0].len(), shared[1].len()), (1, 0));
    }
}
