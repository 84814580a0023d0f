//! What a commit changes: rows as they are before it, and as they will be after it.

use std::{collections::BTreeMap, time::Duration};

use phoenix_core::store::{Commit, Key, RecordKind, Scan};

use super::{fields::Fields, layout, rows::Rows};
use crate::disk::Disk;

/// The longest time from the beginning of an operation, by which it judges what is due, to its commit.
pub const LONGEST_OPERATION: Duration = Duration::from_secs(30);

/// A commit that the store of a homeserver is about to apply.
pub struct Change<'a> {
    /// The index of the homeserver.
    pub server: usize,
    /// Opens its rows.
    pub rows: &'a Rows,
    disk: &'a Disk,
    writes: BTreeMap<&'a Key, Option<&'a [u8]>>,
}

/// What becomes of a row that a commit writes or deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It was not there before.
    Made,
    /// It was there, and gets another content.
    Rewritten,
    /// It was there, and goes.
    Dropped,
    /// It was not there, and is not there after.
    Absent,
}

/// What a row holds before a commit, and after it. `None` where there is none, or it cannot be opened.
pub struct Both<T> {
    /// Before.
    pub before: Option<T>,
    /// After.
    pub after: Option<T>,
}

impl<'a> Change<'a> {
    /// Looks at `commit`, which the store `disk` of homeserver `server` is about to apply.
    pub fn new(rows: &'a Rows, server: usize, disk: &'a Disk, commit: &'a Commit) -> Self {
        let writes = commit.writes.iter().map(|write| (&write.key, write.bytes.as_deref()));
        Self { server, rows, disk, writes: writes.collect() }
    }

    /// Returns the rows that the commit writes or deletes, and what becomes of each.
    pub fn written(&self) -> impl Iterator<Item = (&'a Key, Fate)> {
        self.writes.iter().map(|(key, bytes)| {
            let fate = match (self.disk.rows.get(key).is_some(), bytes.is_some()) {
                (false, true) => Fate::Made,
                (true, true) => Fate::Rewritten,
                (true, false) => Fate::Dropped,
                (false, false) => Fate::Absent,
            };
            (*key, fate)
        })
    }

    /// Returns the numbers of the rows of one kind and name that the commit writes or deletes, and what
    /// becomes of each.
    pub fn numbered(&self, kind: RecordKind, name: &[u8]) -> Vec<(u64, Fate)> {
        let of_kind = self.written().filter(|(key, _)| key.kind() == kind);
        let number = |(key, fate): (&Key, Fate)| {
            layout::numbered(key.name()).filter(|(of, _)| *of == name).map(|(_, number)| (number, fate))
        };
        of_kind.filter_map(number).collect()
    }

    /// Returns the keys of all rows of one kind that will be there. For kinds of which there are few.
    pub fn keys_after(&self, kind: RecordKind) -> impl Iterator<Item = Key> {
        let stays = |key: &Key| self.writes.get(key).is_none_or(Option::is_some);
        let before: Vec<Key> = self.disk.rows.keys_of(kind).into_iter().filter(stays).collect();
        let made = self.written().filter(move |(key, fate)| key.kind() == kind && *fate == Fate::Made);
        before.into_iter().chain(made.map(|(key, _)| key.clone()))
    }

    /// Returns the row with this kind and encoded name as it was.
    pub fn before(&self, kind: RecordKind, name: &[u8]) -> Option<&[u8]> {
        self.disk.rows.get(&key(kind, name)?).map(|row| row.bytes.as_slice())
    }

    /// Returns the row with this kind and encoded name as it will be.
    pub fn after(&self, kind: RecordKind, name: &[u8]) -> Option<&[u8]> {
        match self.writes.get(&key(kind, name)?) {
            Some(written) => *written,
            None => self.before(kind, name),
        }
    }

    /// Returns whether there will be a row of this kind, with this name and any number.
    pub fn any_after(&self, kind: RecordKind, name: &[u8]) -> bool {
        let numbered = self.numbered(kind, name);
        if numbered.iter().any(|(_, fate)| matches!(fate, Fate::Made | Fate::Rewritten)) {
            return true;
        }
        let dropped = numbered.iter().filter(|(_, fate)| *fate == Fate::Dropped).count();
        let name = [&[kind as u8], name].concat();
        let (first, end) = ([&name[..], &[0; 8]].concat(), [&name[..], &[u8::MAX; 8], &[0]].concat());
        self.disk.rows.scan(&Scan { first, end, limit: dropped + 1 }).len() > dropped
    }

    /// Reads a row before the commit, and after it.
    pub fn both<T>(&self, kind: RecordKind, name: &[u8], read: impl Fn(Fields<'_>) -> Option<T>) -> Both<T> {
        let open = |bytes: &[u8]| {
            let content = self.rows.open(self.server, &key(kind, name)?, bytes)?;
            read(Fields::of(&content))
        };
        Both { before: self.before(kind, name).and_then(open), after: self.after(kind, name).and_then(open) }
    }
}

/// Returns the key of the row with this kind and encoded name.
fn key(kind: RecordKind, name: &[u8]) -> Option<Key> {
    Key::from_bytes(&[&[kind as u8], name].concat())
}
