//! The engine, fjall, as far as a store needs it: rows with versions, and batches that are durable.

use std::{
    collections::BTreeMap,
    io::{self, ErrorKind},
    path::Path,
};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable, Slice};
use phoenix_core::store::{Expectation, Key, RecordKind, Row, Scan, Version};

use super::EmbeddedSettings;
use crate::store::StoreError;

/// What a batch is to do: keys with their stored values, `None` to delete.
pub(super) type Batch = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// All records are in one keyspace, sorted by their keys: they share one write buffer, and a scan of one kind
/// never passes through another.
const KEYSPACE: &str = "records";

/// First byte of a stored value; its version and content follow. Nothing is added against damage: the engine
/// keeps a checksum of each block and of each batch in its journal.
const ROW_FORMAT: u8 = 1;

/// Where the content begins.
const HEADER: usize = 17;

/// The longest key that the engine takes.
pub(super) const LONGEST_KEY: usize = u16::MAX as usize;

/// An open engine.
pub(super) struct Engine {
    database: Database,
    records: Keyspace,
}

impl Engine {
    /// Opens or makes the engine's files in `path`.
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

    /// The row with this key.
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

    /// The keys that `scan` asks for.
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

    /// Whether everything expected holds, all at one moment.
    pub fn confirms(&self, expect: &[Expectation]) -> Result<bool, StoreError> {
        let moment = self.database.snapshot();
        for Expectation { key, version } in expect {
            let found = readable(key.kind(), moment.get(&self.records, key.to_bytes()))?;
            if found.version() != *version {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Writes a batch and returns when it is durable. Only then does the engine show it to readers.
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

/// The version of a row that cannot be read. It is expected like any other: a row that is still damaged is still
/// the same, and may be written anew.
const DAMAGED: Version = Version([0; 16]);

/// What is stored under a key.
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

/// Sorts out what the engine answers for one key: a damaged row concerns nobody but who reads it.
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

/// The version in a stored value; [`DAMAGED`] if it is too short.
fn version(value: &[u8]) -> Version {
    let tag = value.get(1..HEADER).and_then(|tag| tag.try_into().ok());
    tag.map_or(DAMAGED, Version)
}

/// What is stored for a row.
pub(super) fn value(version: Version, content: &[u8]) -> Vec<u8> {
    [&[ROW_FORMAT], &version.0[..], content].concat()
}

/// What the operating system refuses, as opposed to what it gives and is not what was written.
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
