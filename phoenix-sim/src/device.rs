//! A user's device: the records of its client, which outlive the client's process, and older copies of them.

use std::collections::BTreeMap;

use phoenix_core::client::{Save, StoredRecord};

/// The disk of a device.
#[derive(Debug, Clone, Default)]
pub struct Device {
    records: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Device {
    /// Applies a save as a whole.
    pub fn apply(&mut self, save: &Save) {
        for change in &save.changes {
            match &change.content {
                Some(content) => self.records.insert(change.name.clone(), content.clone()),
                None => self.records.remove(&change.name),
            };
        }
    }

    /// Returns the records, by name. None: nothing was ever saved.
    pub fn records(&self) -> Vec<StoredRecord> {
        let record = |(name, content): (&Vec<u8>, &Vec<u8>)| StoredRecord {
            name: name.clone(),
            content: content.clone(),
        };
        self.records.iter().map(record).collect()
    }
}

#[cfg(test)]
mod tests {
    use phoenix_core::client::{RecordChange, SaveId};

    use super::*;

    #[test]
    fn a_save_writes_and_deletes() {
        let mut device = Device::default();
        let change = |name: u8, content: Option<u8>| RecordChange {
            name: vec![name],
            content: content.map(|content| vec![content]),
        };
        device.apply(&Save { id: SaveId(1), changes: vec![change(1, Some(7)), change(2, Some(8))] });
        device.apply(&Save { id: SaveId(2), changes: vec![change(1, None), change(2, Some(9))] });
        let records = device.records();
        assert_eq!(records.len(), 1);
        assert_eq!((records[0].name.as_slice(), records[0].content.as_slice()), (&[2][..], &[9][..]));
    }
}
