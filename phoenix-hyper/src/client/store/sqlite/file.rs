//! The file: created for its owner alone, held by one connection, and of a known format.

use std::{
    fs::{self, OpenOptions},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};

use super::error::{at, damaged, failed};
use crate::client::store::interface::ClientStoreError;

/// Marks the file as a client store: "PhxC".
const APPLICATION_ID: i32 = i32::from_be_bytes(*b"PhxC");

/// The format that this code writes. A change that older code would misread increments it.
const FORMAT: u32 = 1;

/// Opens the file, and creates it if it does not exist. No other connection can use it from then on.
pub(super) fn open(path: &Path) -> Result<(PathBuf, Connection), ClientStoreError> {
    create(path).map_err(|error| failed(path, &error))?;
    // SQLite gives some names a meaning; absolute paths are names of files.
    let path = fs::canonicalize(path).map_err(|error| failed(path, &error))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(&path, flags).map_err(at(&path))?;
    hold(&connection).map_err(at(&path))?;
    let is_empty = check_format(&path, &connection)?;
    prepare(&connection).map_err(at(&path))?;
    if is_empty {
        create_table(&mut connection).map_err(at(&path))?;
    } else {
        check_pages(&path, &connection)?;
    }
    Ok((path, connection))
}

/// Creates an empty file, which is an empty database, that only its owner may read. SQLite creates the
/// journal with the same permissions, and makes both names durable with the first commit.
fn create(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Locks the file for as long as the connection is open.
fn hold(connection: &Connection) -> rusqlite::Result<()> {
    // Another process with the file is an error, not worth a wait.
    connection.busy_timeout(Duration::ZERO)?;
    // The lock that the first transaction takes is kept.
    connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT;")
}

/// Checks that the file is a client store. Returns `true` for an empty file, which is to become one. Changes
/// nothing: the file may be of another make.
fn check_format(path: &Path, connection: &Connection) -> Result<bool, ClientStoreError> {
    let number = |query| connection.query_row(query, [], |row| row.get::<_, i32>(0)).map_err(at(path));
    let application = number("PRAGMA application_id")?;
    let format = number("PRAGMA user_version")?.cast_unsigned();
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    let store = path.display().to_string();
    match (application, format) {
        (0, 0) if tables == 0 => Ok(true),
        (APPLICATION_ID, FORMAT) => Ok(false),
        (APPLICATION_ID, found) if found > FORMAT => {
            Err(ClientStoreError::Newer { store, found, known: FORMAT })
        }
        _ => Err(ClientStoreError::NotAClientStore { store }),
    }
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "PRAGMA journal_mode = TRUNCATE;
         PRAGMA synchronous = FULL;
         PRAGMA secure_delete = ON;
         PRAGMA temp_store = MEMORY;",
    )
}

/// All in one transaction, so that no crash leaves half a store.
fn create_table(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction
        .execute_batch("CREATE TABLE slots (number INTEGER PRIMARY KEY, content BLOB NOT NULL) STRICT")?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()
}

/// Checks that the pages of the file make up a tree. Contents have seals of their own.
fn check_pages(path: &Path, connection: &Connection) -> Result<(), ClientStoreError> {
    let check = "PRAGMA quick_check(1)";
    let result: String = connection.query_row(check, [], |row| row.get(0)).map_err(at(path))?;
    if result == "ok" { Ok(()) } else { Err(damaged(path, &result)) }
}
