//! PROTOCOL.md §11.15 — records in memory, with a note of those that changed since the last save.

use std::{collections::BTreeMap, ops::RangeBounds};

use zeroize::Zeroizing;

use super::{
    keyspace::ClientRecordKind,
    vault::{PlainChange, PlainRecord},
};
use crate::codec::{Codec, DecodeError, decode, encode};

/// What is kept as a record.
pub(crate) trait Record: Codec {
    /// The kind of record.
    const KIND: ClientRecordKind;
    /// What names one record of the kind.
    type Key: Codec + Ord + Clone;

    /// Whether it is saved. One that is not means nothing to a later process.
    fn is_kept(&self) -> bool {
        true
    }
}

/// Records of one kind, whatever it is.
pub(crate) trait Rows {
    /// The kind.
    fn kind(&self) -> ClientRecordKind;
    /// Adds what changed since the last call to `changes`.
    fn take_changes(&mut self, changes: &mut Vec<PlainChange>);
    /// Takes in a record as it was saved.
    ///
    /// # Errors
    /// [`DecodeError`] if it is damaged.
    fn load(&mut self, record: &PlainRecord) -> Result<(), DecodeError>;
}

/// All records of one kind.
pub(crate) struct Table<R: Record> {
    rows: BTreeMap<R::Key, R>,
    /// The keys of the records that changed, and whether each was saved before.
    changed: BTreeMap<R::Key, bool>,
}

impl<R: Record> Default for Table<R> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), changed: BTreeMap::new() }
    }
}

impl<R: Record> Table<R> {
    pub fn get(&self, key: &R::Key) -> Option<&R> {
        self.rows.get(key)
    }

    pub fn contains(&self, key: &R::Key) -> bool {
        self.rows.contains_key(key)
    }

    /// Returns a record to be changed.
    pub fn get_mut(&mut self, key: &R::Key) -> Option<&mut R> {
        let record = self.rows.get_mut(key)?;
        self.changed.entry(key.clone()).or_insert(record.is_kept());
        Some(record)
    }

    pub fn insert(&mut self, key: R::Key, record: R) -> Option<R> {
        let before = self.rows.insert(key.clone(), record);
        self.changed.entry(key).or_insert(before.as_ref().is_some_and(R::is_kept));
        before
    }

    pub fn remove(&mut self, key: &R::Key) -> Option<R> {
        let before = self.rows.remove(key)?;
        self.changed.entry(key.clone()).or_insert(before.is_kept());
        Some(before)
    }

    /// Removes the records for which `keep` returns false.
    pub fn retain(&mut self, mut keep: impl FnMut(&R::Key, &R) -> bool) {
        let gone = self.rows.iter().filter(|(key, record)| !keep(key, record));
        for key in gone.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            self.remove(&key);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&R::Key, &R)> {
        self.rows.iter()
    }

    pub fn keys(&self) -> impl Iterator<Item = &R::Key> {
        self.rows.keys()
    }

    pub fn range(&self, keys: impl RangeBounds<R::Key>) -> impl Iterator<Item = (&R::Key, &R)> {
        self.rows.range(keys)
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl<R: Record> Rows for Table<R> {
    fn kind(&self) -> ClientRecordKind {
        R::KIND
    }

    fn take_changes(&mut self, changes: &mut Vec<PlainChange>) {
        for (key, was_saved) in std::mem::take(&mut self.changed) {
            let record = self.rows.get(&key).filter(|record| record.is_kept());
            let content = record.map(|record| Zeroizing::new(encode(record)));
            // What came and went since the last save was never saved.
            if content.is_some() || was_saved {
                changes.push(PlainChange { kind: R::KIND, key: encode(&key), content });
            }
        }
    }

    fn load(&mut self, record: &PlainRecord) -> Result<(), DecodeError> {
        self.rows.insert(decode(&record.key)?, decode(&record.content)?);
        Ok(())
    }
}

/// A record that there is one of.
pub(crate) struct Single<R> {
    record: R,
    changed: bool,
}

impl<R: Record<Key = ()>> Single<R> {
    /// A record that was never saved.
    pub fn new(record: R) -> Self {
        Self { record, changed: true }
    }

    /// Returns the record to be changed.
    pub fn change(&mut self) -> &mut R {
        self.changed = true;
        &mut self.record
    }
}

impl<R> std::ops::Deref for Single<R> {
    type Target = R;

    fn deref(&self) -> &R {
        &self.record
    }
}

impl<R: Record<Key = ()>> Rows for Single<R> {
    fn kind(&self) -> ClientRecordKind {
        R::KIND
    }

    fn take_changes(&mut self, changes: &mut Vec<PlainChange>) {
        if std::mem::take(&mut self.changed) {
            let content = Some(Zeroizing::new(encode(&self.record)));
            changes.push(PlainChange { kind: R::KIND, key: Vec::new(), content });
        }
    }

    fn load(&mut self, record: &PlainRecord) -> Result<(), DecodeError> {
        *self = Self { record: decode(&record.content)?, changed: false };
        Ok(())
    }
}
