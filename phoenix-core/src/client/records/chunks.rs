//! PROTOCOL.md §11.15 — values of the MLS state in chunks: of a large one that changes in one place, one chunk is
//! saved.
//!
//! MLS keeps the secrets of all members of an epoch in one value, and each message changes those of one.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{
    keyspace::ClientRecordKind,
    vault::{PlainChange, PlainRecord, RestoreError},
};
use crate::crypto::kdf::Hash;

/// The length of all chunks of a value but the last, which is shorter, and may be empty.
const CHUNK: usize = 4096;

/// A value by its name, with its content, `None` if it is deleted.
pub(crate) struct Value {
    pub name: Vec<u8>,
    pub content: Option<Zeroizing<Vec<u8>>>,
}

/// What is saved of each value: hashes of its chunks.
#[derive(Default)]
pub(crate) struct Chunks {
    saved: BTreeMap<Vec<u8>, Vec<Hash>>,
}

impl Chunks {
    /// Returns what has to be saved for a value that changed.
    pub fn changes(&mut self, value: &Value) -> Vec<PlainChange> {
        let saved = self.saved.remove(&value.name).unwrap_or_default();
        let mut changes = Vec::new();
        let mut hashes = Vec::new();
        if let Some(content) = &value.content {
            for (number, chunk) in chunks(content).enumerate() {
                let hash: Hash = Sha256::digest(chunk).into();
                if saved.get(number) != Some(&hash) {
                    changes.push(change(&value.name, number, Some(Zeroizing::new(chunk.to_vec()))));
                }
                hashes.push(hash);
            }
        }
        changes.extend((hashes.len()..saved.len()).map(|number| change(&value.name, number, None)));
        if !hashes.is_empty() {
            self.saved.insert(value.name.clone(), hashes);
        }
        changes
    }

    /// Returns the values that these records hold, which were all saved.
    ///
    /// # Errors
    /// [`RestoreError::Damaged`] if a chunk is missing.
    pub fn restore(records: Vec<PlainRecord>) -> Result<(Self, Vec<Value>), RestoreError> {
        let mut by_name: BTreeMap<Vec<u8>, BTreeMap<u32, Zeroizing<Vec<u8>>>> = BTreeMap::new();
        for PlainRecord { key, content, .. } in records {
            let (number, name) = key.split_first_chunk::<4>().ok_or(RestoreError::Damaged)?;
            by_name.entry(name.to_vec()).or_default().insert(u32::from_be_bytes(*number), content);
        }
        let mut restored = Self::default();
        let mut values = Vec::new();
        for (name, chunks) in by_name {
            let last = chunks.len() - 1;
            let mut content = Zeroizing::new(Vec::with_capacity(chunks.len() * CHUNK));
            for (index, (number, chunk)) in chunks.iter().enumerate() {
                let is_whole = if index == last { chunk.len() < CHUNK } else { chunk.len() == CHUNK };
                if *number as usize != index || !is_whole {
                    return Err(RestoreError::Damaged);
                }
                content.extend_from_slice(chunk);
            }
            let value = Value { name, content: Some(content) };
            restored.changes(&value);
            values.push(value);
        }
        Ok((restored, values))
    }
}

/// Divides a value into whole chunks and a last one that is shorter.
fn chunks(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (whole, last) = content.as_chunks::<CHUNK>();
    whole.iter().map(<[u8; CHUNK]>::as_slice).chain(std::iter::once(last))
}

fn change(name: &[u8], number: usize, content: Option<Zeroizing<Vec<u8>>>) -> PlainChange {
    // A value that is kept has far fewer chunks than there are numbers.
    let key = [&(number as u32).to_be_bytes(), name].concat();
    PlainChange { kind: ClientRecordKind::Mls, key, content }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(content: &[u8]) -> Value {
        Value { name: b"name".to_vec(), content: Some(Zeroizing::new(content.to_vec())) }
    }

    fn numbers(changes: &[PlainChange]) -> Vec<(u32, bool)> {
        let number = |change: &PlainChange| u32::from_be_bytes(change.key[..4].try_into().unwrap());
        changes.iter().map(|change| (number(change), change.content.is_some())).collect()
    }

    #[test]
    fn one_change_in_a_large_value_is_one_chunk() {
        let mut chunks = Chunks::default();
        let mut content = vec![7; 3 * CHUNK + 10];
        let all = [(0, true), (1, true), (2, true), (3, true)];
        assert_eq!(numbers(&chunks.changes(&value(&content))), all);
        assert_eq!(numbers(&chunks.changes(&value(&content))), []);
        content[CHUNK] = 8;
        assert_eq!(numbers(&chunks.changes(&value(&content))), [(1, true)]);
        content.truncate(CHUNK);
        // The end moves: an empty chunk says that nothing is missing.
        assert_eq!(numbers(&chunks.changes(&value(&content))), [(1, true), (2, false), (3, false)]);
        let gone = Value { name: b"name".to_vec(), content: None };
        assert_eq!(numbers(&chunks.changes(&gone)), [(0, false), (1, false)]);
        assert_eq!(numbers(&chunks.changes(&gone)), []);
    }

    #[test]
    fn values_come_back_whole_or_not_at_all() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let content: Vec<u8> = (0..length).map(|position| position as u8).collect();
            let records = || -> Vec<PlainRecord> {
                let changes = Chunks::default().changes(&value(&content));
                let record = |change: PlainChange| {
                    let content = change.content.unwrap();
                    PlainRecord { kind: change.kind, key: change.key, content }
                };
                changes.into_iter().map(record).collect()
            };
            let (mut restored, values) = Chunks::restore(records()).unwrap();
            assert_eq!(values.len(), 1);
            assert_eq!(values[0].content.as_ref().unwrap().as_slice(), content);
            assert!(restored.changes(&values[0]).is_empty(), "all of it is saved");
            for missing in 0..records().len() {
                let mut fewer = records();
                fewer.remove(missing);
                let damaged = fewer.is_empty() || Chunks::restore(fewer).is_err();
                assert!(damaged, "chunk {missing} of a value of {length} bytes is missing");
            }
        }
    }
}
