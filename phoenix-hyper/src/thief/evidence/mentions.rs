//! Which rows mention which subjects.

use std::collections::BTreeMap;

use super::subject::Subject;

/// The bytes by which a handle is looked up. No handle is shorter.
pub const PREFIX: usize = 8;

/// Finds subjects in bytes.
pub struct Finder<'a> {
    /// The first two bytes of handles: most places of most rows are passed over by a glance at this.
    begins: Vec<bool>,
    by_prefix: BTreeMap<&'a [u8], Vec<(usize, &'a [u8])>>,
}

impl<'a> Finder<'a> {
    /// A finder of these subjects.
    pub fn new(subjects: &'a [Subject]) -> Self {
        let mut finder = Self { begins: vec![false; 1 << 16], by_prefix: BTreeMap::new() };
        for (number, subject) in subjects.iter().enumerate() {
            for handle in subject.handles.iter().filter(|handle| handle.len() >= PREFIX) {
                finder.begins[first(handle)] = true;
                finder.by_prefix.entry(&handle[..PREFIX]).or_default().push((number, handle));
            }
        }
        finder
    }

    /// Adds the subjects that `bytes` mention, by their numbers.
    pub fn find(&self, bytes: &[u8], found: &mut Vec<usize>) {
        for (at, window) in bytes.windows(PREFIX).enumerate() {
            if !self.begins[first(window)] {
                continue;
            }
            let known = self.by_prefix.get(window).into_iter().flatten();
            found.extend(
                known.filter(|(_, handle)| bytes[at..].starts_with(handle)).map(|(number, _)| *number),
            );
        }
    }
}

fn first(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_found_wherever_its_whole_handle_stands() {
        let subjects = [Subject::of_bytes(b"0123456789"), Subject::of_bytes(b"01234567")];
        let finder = Finder::new(&subjects);
        let mut found = Vec::new();
        finder.find(b"x0123456789", &mut found);
        assert_eq!(found, [0, 1]);
        found.clear();
        finder.find(b"0123456 01234567", &mut found);
        assert_eq!(found, [1]);
    }
}
