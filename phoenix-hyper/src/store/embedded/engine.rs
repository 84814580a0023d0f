//! The engine (fjall) as a store needs it: rows with versions, and durable batches.

use std::{
    collections::BTreeMap,
    io::{self, ErrorKind},
    path::Path,
};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable, Slice};
use phoenix_core::store::{Expectation, Key, RecordKind, Row, Scan, Version};

use super::settings::EmbeddedSettings;
use crate::store::interface::StoreError;

/// Keys with the values to store, or `None` to delete.
pub(super) type Batch = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// All records are in one keyspace, sorted by their keys: they share one write buffer, and a scan of one kind
/// never passes through another.
const KEYSPACE: &str = "records";

/// First byte of a stored value; version and content follow. A value carries no checksum of its own: the
/// engine keeps one of each block, and of each batch in its journal.
const ROW_FORMAT: u8 = 1;

/// Bytes before the content: the format and the version.
const HEADER: usize = 17;

/// The longest key that the engine takes.
pub(super) const LONGEST_KEY: usize = u16::MAX as usize;

/// An open engine.
pub(super) struct Engine {
    database: Database,
    records: Keyspace,
}

impl Engine {
    /// Opens the engine's files in `path`, or creates them.
    pub fn open(path: &Path, settings: &EmbeddedSettings) -> fjall::Result<Self> {
        let builder = Database::builder(path)
            .cache_size(settings.cache)
            .worker_threads(settings.workers.max(1))
            .max_cached_files(Some(settings.files));
        let database = builder.open()?;
        let options = || KeyspaceCreateOptions::default().max_memtable_size(settings.write_buffer);
        let records = database.keyspace(KEYSPACE, options)?;
        Ok(Self { database, records })
    }

    /// Returns the row with this key. A damaged row has no content.
    pub fn row(&self, key: &Key) -> Result<Option<Row>, StoreError> {
        let found = readable(key.kind(), self.records.get(key.to_bytes()))?;
        Ok(match found {
            Found::Nothing => None,
            Found::Value(value) => Some(Row {
                version: version(&value),
                bytes: value.get(HEADER..).unwrap_or_default().to_vec(),
            }),
            Found::Damaged => Some(Row { version: DAMAGED, bytes: Vec::new() }),
        })
    }

    /// Returns the keys that `scan` asks for.
    pub fn keys(&self, scan: &Scan) -> Result<Vec<Key>, StoreError> {
        if scan.first >= scan.end {
            return Ok(Vec::new());
        }
        let found = self.records.range(&scan.first[..]..&scan.end[..]).map(fjall::Guard::key);
        let keys = found.filter_map(|key| key.map(|key| Key::from_bytes(&key)).transpose());
        keys.take(scan.limit).collect::<Result<_, _>>().map_err(|error| match io_error(&error) {
            Some(error) => StoreError::Unavailable(error.to_string()),
            None => RecordKind::from_code(scan.first.first().copied().unwrap_or_default())
                .map_or_else(|| StoreError::Unavailable(error.to_string()), StoreError::Damaged),
        })
    }

    /// Whether all expectations hold at one moment.
    pub fn confirms(&self, expect: &[Expectation]) -> Result<bool, StoreError> {
        let snapshot = self.database.snapshot();
        for Expectation { key, version } in expect {
            let found = readable(key.kind(), snapshot.get(&self.records, key.to_bytes()))?;
            if found.version() != *version {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Writes a batch and returns once it is durable. Only then does the engine show it to readers.
    pub fn write(&self, batch: Batch) -> fjall::Result<()> {
        let mut writes = self.database.batch().durability(Some(PersistMode::SyncData));
        for (key, value) in batch {
            match value {
                Some(value) => writes.insert(&self.records, key, value),
                None => writes.remove(&self.records, key),
            }
        }
        writes.commit()
    }
}

/// The version of a damaged row. A commit may expect it like any other version: a row that is still damaged
/// is unchanged, and may be overwritten.
const DAMAGED: Version = Version([0; 16]);

/// What the engine has under a key.
enum Found {
    Nothing,
    Value(Slice),
    Damaged,
}

impl Found {
    fn version(&self) -> Option<Version> {
        match self {
            Self::Nothing => None,
            Self::Value(value) => Some(version(value)),
            Self::Damaged => Some(DAMAGED),
        }
    }
}

/// Interprets the engine's answer for one key. Damage is an answer, not an error: it concerns this row only.
fn readable(kind: RecordKind, answer: fjall::Result<Option<Slice>>) -> Result<Found, StoreError> {
    let damaged = match answer {
        Ok(None) => return Ok(Found::Nothing),
        Ok(Some(value)) if value.len() >= HEADER && value.first() == Some(&ROW_FORMAT) => {
            return Ok(Found::Value(value));
        }
        Ok(Some(_)) => "not a row".to_owned(),
        Err(error) => match io_error(&error) {
            Some(error) => return Err(StoreError::Unavailable(error.to_string())),
            None => error.to_string(),
        },
    };
    tracing::error!(?kind, damaged, "a stored record is damaged");
    Ok(Found::Damaged)
}

/// The version in a stored value; [`DAMAGED`] if the value is too short.
fn version(value: &[u8]) -> Version {
    let tag = value.get(1..HEADER).and_then(|tag| tag.try_into().ok());
    tag.map_or(DAMAGED, Version)
}

/// The value to store for a row.
pub(super) fn value(version: Version, content: &[u8]) -> Vec<u8> {
    [&[ROW_FORMAT], &version.0[..], content].concat()
}

/// The operating system's error, as opposed to damage: content that is not what was written.
pub(super) fn io_error(error: &fjall::Error) -> Option<&io::Error> {
    match error {
        fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error))
            if !matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::InvalidData) =>
        {
            Some(error)
        }
        _ => None,
    }
}
