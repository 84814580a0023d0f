//! The store: reads and writes slots.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use phoenix_core::client::{RecordChange, StoredRecord};
use rusqlite::{Connection, Error, Transaction, params};

use super::{
    error::{at, damaged},
    file,
    slots::{self, Placed, Slot, Slots},
};
use crate::client::store::interface::{ClientStore, ClientStoreError};

/// A client store in one SQLite file, which only its owner may read. Beside it is a journal, named as the
/// file with `-journal` at its end; the two belong together.
///
/// The file is locked while the store is open. A process holds the lock as long as it does not open and close
/// the file on its own besides (a rule of POSIX), so copy it from another process, while the store is closed.
///
/// Space in the file is used again, and never returned. Contents are sealed by the client; sizes and the
/// number of records are there to be seen.
pub struct SqliteClientStore {
    path: PathBuf,
    connection: Connection,
    slots: Slots,
    /// Why a save has failed. Nothing is saved any more then: the file has to be opened again.
    failure: Option<ClientStoreError>,
}

impl fmt::Debug for SqliteClientStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SqliteClientStore").field("path", &self.path).finish_non_exhaustive()
    }
}

impl SqliteClientStore {
    /// Opens the store in the file at `path`. If there is no such file it is created, in a directory that
    /// exists.
    ///
    /// # Errors
    /// [`ClientStoreError`]: the file is in use, or something else, or newer, or damaged, or the system
    /// refuses.
    pub fn open(path: &Path) -> Result<Self, ClientStoreError> {
        let (path, connection) = file::open(path)?;
        let mut slots = Slots::default();
        let consistent = read(&path, &connection, |slot, record| {
            slots.note(slot, record.as_ref().map(|record| record.name.as_slice()))
        })?;
        if !consistent {
            return Err(damaged(&path, "a record has two slots, or a slot is missing"));
        }
        Ok(Self { path, connection, slots, failure: None })
    }
}

/// Reads all slots, in the order of their numbers. Returns whether `each` has returned `true` for all of
/// them.
fn read(
    path: &Path,
    connection: &Connection,
    mut each: impl FnMut(Slot, Option<StoredRecord>) -> bool,
) -> Result<bool, ClientStoreError> {
    let failed = at(path);
    let mut all = connection.prepare("SELECT number, content FROM slots ORDER BY number").map_err(&failed)?;
    let mut rows = all.query([]).map_err(&failed)?;
    while let Some(row) = rows.next().map_err(&failed)? {
        let number = row.get(0).map_err(&failed)?;
        let content = row.get_ref(1).map_err(&failed)?;
        let content = content.as_blob().map_err(|_| damaged(path, "a slot contains no bytes"))?;
        let record = slots::decode(content).map_err(|_| damaged(path, "a slot cannot be read"))?;
        if !each(Slot { number, size: content.len() }, record) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes slots within a transaction.
fn write(transaction: &Transaction<'_>, slots: &mut Slots, changes: &[RecordChange]) -> rusqlite::Result<()> {
    let mut append = transaction.prepare("INSERT INTO slots (number, content) VALUES (?, ?)")?;
    let mut update = transaction.prepare("UPDATE slots SET content = ?2 WHERE number = ?1")?;
    let mut clear =
        transaction.prepare("UPDATE slots SET content = zeroblob(length(content)) WHERE number = ?")?;
    for RecordChange { name, content } in changes {
        let Some(content) = content else {
            if let Some(slot) = slots.release(name) {
                clear.execute([slot.number])?;
            }
            continue;
        };
        let Placed { slot, is_new, freed } = slots.place(name, content.len());
        if let Some(slot) = freed {
            clear.execute([slot.number])?;
        }
        let bytes = slots::encode(slot, name, content);
        let bytes = bytes.ok_or_else(|| Error::ToSqlConversionFailure("a record is too large".into()))?;
        if is_new { &mut append } else { &mut update }.execute(params![slot.number, bytes])?;
    }
    Ok(())
}

impl ClientStore for SqliteClientStore {
    fn load(&mut self) -> Result<Vec<StoredRecord>, ClientStoreError> {
        let mut records = Vec::new();
        read(&self.path, &self.connection, |_, record| {
            records.extend(record);
            true
        })?;
        Ok(records)
    }

    fn save(&mut self, changes: &[RecordChange]) -> Result<(), ClientStoreError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let saved = self.connection.transaction().and_then(|transaction| {
            write(&transaction, &mut self.slots, changes)?;
            transaction.commit()
        });
        let saved = saved.map_err(at(&self.path));
        // The slots may be ahead of the file from here on.
        self.failure = saved.clone().err();
        saved
    }
}
