//! Slots: where each record lies, which slots are free, and what a slot contains.
//!
//! A slot in use contains `1`, the length of the name (2 bytes), the name, the length of the content (4
//! bytes), the content, and zeros up to its end. A free slot contains zeros.

use std::collections::BTreeMap;

use phoenix_core::client::StoredRecord;

/// A row of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    /// The number of the row. Numbers have no gaps.
    pub number: i64,
    /// The bytes of its content.
    pub size: usize,
}

/// Which slot has which record, and which slots are free. Follows the file.
#[derive(Debug, Clone, Default)]
pub(super) struct Slots {
    used: BTreeMap<Vec<u8>, Slot>,
    free: BTreeMap<usize, Vec<i64>>,
    count: i64,
}

/// Where a record goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Placed {
    /// The slot to write.
    pub slot: Slot,
    /// Whether the file has no such row yet.
    pub is_new: bool,
    /// The slot that the record had, to be filled with zeros first.
    pub freed: Option<Slot>,
}

/// What a slot contains is neither a record nor zeros.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misread;

/// The size of the smallest slots.
const SMALLEST: usize = 64;

/// The bytes beside name and content.
const FRAME: usize = 1 + 2 + 4;

/// Returns the size of slots for `bytes` bytes: a power of two, or one and a half times one.
fn size_for(bytes: usize) -> usize {
    let above = bytes.next_power_of_two().max(SMALLEST);
    let between = above / 4 * 3;
    if bytes <= between && between > SMALLEST { between } else { above }
}

impl Slots {
    /// Notes the next slot of the file, with the name of its record. Returns `false` if it contradicts those
    /// noted before.
    pub fn note(&mut self, slot: Slot, name: Option<&[u8]>) -> bool {
        self.count += 1;
        let fresh = match name {
            Some(name) => self.used.insert(name.to_vec(), slot).is_none(),
            None => {
                self.free.entry(slot.size).or_default().push(slot.number);
                true
            }
        };
        fresh && slot.number == self.count
    }

    /// Finds a slot for a record of this name and length of content: the one that it has, if that is of the
    /// right size.
    pub fn place(&mut self, name: &[u8], length: usize) -> Placed {
        let size = size_for(FRAME + name.len() + length);
        let freed = match self.used.get(name) {
            Some(slot) if slot.size == size => return Placed { slot: *slot, is_new: false, freed: None },
            _ => self.release(name),
        };
        let free = self.free.get_mut(&size).and_then(Vec::pop);
        let number = free.unwrap_or(self.count + 1);
        self.count = self.count.max(number);
        let slot = Slot { number, size };
        self.used.insert(name.to_vec(), slot);
        Placed { slot, is_new: free.is_none(), freed }
    }

    /// Frees the slot of a record, which is returned to be filled with zeros.
    pub fn release(&mut self, name: &[u8]) -> Option<Slot> {
        let slot = self.used.remove(name)?;
        self.free.entry(slot.size).or_default().push(slot.number);
        Some(slot)
    }
}

/// What the slot of a record contains; `None` if the record is larger than any slot.
pub(super) fn encode(slot: Slot, name: &[u8], content: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(slot.size);
    bytes.push(1);
    bytes.extend(u16::try_from(name.len()).ok()?.to_be_bytes());
    bytes.extend(name);
    bytes.extend(u32::try_from(content.len()).ok()?.to_be_bytes());
    bytes.extend(content);
    bytes.resize(slot.size, 0);
    Some(bytes)
}

/// Reads what a slot contains; `None` if it is free.
pub(super) fn decode(bytes: &[u8]) -> Result<Option<StoredRecord>, Misread> {
    match bytes.split_first() {
        Some((0, rest)) if rest.iter().all(|byte| *byte == 0) => Ok(None),
        Some((1, rest)) => record(rest).map(Some).ok_or(Misread),
        _ => Err(Misread),
    }
}

fn record(bytes: &[u8]) -> Option<StoredRecord> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (name, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
    let (length, rest) = rest.split_first_chunk()?;
    let (content, rest) = rest.split_at_checked(u32::from_be_bytes(*length).try_into().ok()?)?;
    let padded = rest.iter().all(|byte| *byte == 0);
    padded.then(|| StoredRecord { name: name.to_vec(), content: content.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_few_and_waste_little() {
        let sizes: std::collections::BTreeSet<usize> = (0..=1 << 20).map(size_for).collect();
        assert_eq!(sizes.len(), 28 + 1, "{sizes:?}");
        for bytes in (0..5000).chain([1 << 20, (1 << 20) + 1]) {
            let size = size_for(bytes);
            assert!(size >= bytes && (size == SMALLEST || 2 * size < 3 * bytes + 2), "{size} for {bytes}");
            assert_eq!(size_for(size), size);
        }
    }

    #[test]
    fn a_record_stays_where_it_fits_and_leaves_its_slot_to_others() {
        let mut slots = Slots::default();
        let small = Slot { number: 1, size: 64 };
        let new = |slot| Placed { slot, is_new: true, freed: None };
        assert_eq!(slots.place(b"a", 0), new(small));
        assert_eq!(slots.place(b"a", 64 - FRAME - 1), Placed { slot: small, is_new: false, freed: None });
        let large = Slot { number: 2, size: 96 };
        assert_eq!(slots.place(b"a", 64 - FRAME), Placed { freed: Some(small), ..new(large) });
        assert_eq!(slots.place(b"b", 0), Placed { slot: small, is_new: false, freed: None });
        assert_eq!(slots.release(b"a"), Some(large));
        assert_eq!(slots.release(b"a"), None);
        assert_eq!(slots.place(b"c", 0), new(Slot { number: 3, size: 64 }));
        assert_eq!(slots.place(b"d", 80), Placed { slot: large, is_new: false, freed: None });
    }

    #[test]
    fn slots_contain_their_record_and_zeros() {
        let slot = Slot { number: 1, size: 64 };
        let bytes = encode(slot, b"name", b"content").unwrap();
        assert_eq!(bytes.len(), 64);
        let record = StoredRecord { name: b"name".to_vec(), content: b"content".to_vec() };
        assert_eq!(decode(&bytes), Ok(Some(record)));
        assert_eq!(decode(&[0; 64]), Ok(None));
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        for place in [0, 1, 7, end + 1] {
            let mut damaged = bytes.clone();
            damaged[place] ^= 0x80;
            assert_eq!(decode(&damaged), Err(Misread), "byte {place}");
        }
        for wrong in [&[][..], &[1], &[0, 0, 1], &bytes[..end]] {
            assert_eq!(decode(wrong), Err(Misread));
        }
    }
}
