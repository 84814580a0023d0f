//! The client store on disk: it conforms, keeps others out, and names what it cannot open.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    fs,
    os::unix::fs::{FileExt, PermissionsExt},
    path::{Path, PathBuf},
};

use phoenix_core::client::{RecordChange, StoredRecord};
use phoenix_hyper::client::store::{
    ClientStore, ClientStoreError, MemoryClientStore, SqliteClientStore,
    conformance::{self, Harness, Nonconformance},
};
use rusqlite::{Connection, Row};
use tempfile::TempDir;

/// A file in a directory of its own.
struct Sqlite;

fn path(directory: &TempDir) -> PathBuf {
    directory.path().join("client")
}

impl Harness for Sqlite {
    type Place = TempDir;
    type Store = SqliteClientStore;

    fn place(&self) -> TempDir {
        TempDir::new().unwrap()
    }

    fn open(&self, place: &TempDir) -> Result<SqliteClientStore, ClientStoreError> {
        SqliteClientStore::open(&path(place))
    }

    fn files(&self, place: &TempDir) -> Option<Vec<u8>> {
        let mut files = Vec::new();
        for file in fs::read_dir(place.path()).unwrap() {
            files.extend(fs::read(file.unwrap().path()).unwrap());
        }
        Some(files)
    }
}

fn put(name: &[u8], content: &[u8]) -> RecordChange {
    RecordChange { name: name.to_vec(), content: Some(content.to_vec()) }
}

/// A store with a record, closed.
fn with_a_record() -> TempDir {
    let place = Sqlite.place();
    let mut store = Sqlite.open(&place).unwrap();
    store.load().unwrap();
    store.save(&[put(b"name", b"content")]).unwrap();
    place
}

#[test]
fn conforms() {
    conformance::check(&Sqlite).unwrap();
}

#[test]
fn only_the_owner_may_read_the_files() {
    let place = with_a_record();
    let files: Vec<PathBuf> = fs::read_dir(place.path()).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.contains(&path(&place)), "{files:?}");
    for file in files {
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn what_is_something_else_is_refused_and_left_as_it_is() {
    let place = Sqlite.place();
    let path = path(&place);
    let sqlite = |statements: &str| {
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch(statements).unwrap();
        drop(connection);
        fs::read(&path).unwrap()
    };
    let others = [
        sqlite("PRAGMA journal_mode = WAL; CREATE TABLE theirs (number INTEGER)"),
        sqlite("PRAGMA journal_mode = DELETE; PRAGMA user_version = 1"),
        sqlite("DROP TABLE theirs; VACUUM; PRAGMA application_id = 1"),
        b"a letter".to_vec(),
        vec![7; 10_000],
    ];
    for before in others {
        fs::write(&path, &before).unwrap();
        let error = SqliteClientStore::open(&path).unwrap_err();
        assert!(matches!(error, ClientStoreError::NotAClientStore { .. }), "{error}");
        assert_eq!(error.to_string(), format!("{} is not a client store", path.display()));
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}

#[test]
fn a_newer_format_is_refused() {
    let place = with_a_record();
    Connection::open(path(&place)).unwrap().execute_batch("PRAGMA user_version = 2").unwrap();
    let error = Sqlite.open(&place).unwrap_err();
    assert!(matches!(error, ClientStoreError::Newer { found: 2, known: 1, .. }), "{error}");
}

#[test]
fn damage_is_found_when_the_store_is_opened() {
    let statements = [
        "UPDATE slots SET content = x'02'",
        "UPDATE slots SET content = x''",
        "INSERT INTO slots VALUES (2, (SELECT content FROM slots))",
        "UPDATE slots SET number = 2",
    ];
    for statement in statements {
        let place = with_a_record();
        Connection::open(path(&place)).unwrap().execute_batch(statement).unwrap();
        let error = Sqlite.open(&place).unwrap_err();
        assert!(matches!(error, ClientStoreError::Damaged { .. }), "{statement}: {error}");
    }
    // The second page is the root of the table.
    let place = with_a_record();
    let file = fs::OpenOptions::new().write(true).open(path(&place)).unwrap();
    file.write_all_at(&[0xff; 16], 4096).unwrap();
    drop(file);
    let error = Sqlite.open(&place).unwrap_err();
    assert!(matches!(error, ClientStoreError::Damaged { .. }), "{error}");
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let place = Sqlite.place();
    for nowhere in [place.path(), &place.path().join("missing/client"), Path::new("")] {
        let error = SqliteClientStore::open(nowhere).unwrap_err();
        assert!(matches!(error, ClientStoreError::Failed { .. }), "{error}");
    }
}

/// A table of records under their names, with what SQLite offers for overwriting what is deleted.
struct PlainTable;

struct PlainStore(Connection);

impl ClientStore for PlainStore {
    fn load(&mut self) -> Result<Vec<StoredRecord>, ClientStoreError> {
        let mut all = self.0.prepare("SELECT name, content FROM records").unwrap();
        let record = |row: &Row<'_>| Ok(StoredRecord { name: row.get(0)?, content: row.get(1)? });
        Ok(all.query_map([], record).unwrap().map(Result::unwrap).collect())
    }

    fn save(&mut self, changes: &[RecordChange]) -> Result<(), ClientStoreError> {
        let transaction = self.0.transaction().unwrap();
        for RecordChange { name, content } in changes {
            match content {
                Some(content) => {
                    transaction.execute("INSERT OR REPLACE INTO records VALUES (?, ?)", (name, content))
                }
                None => transaction.execute("DELETE FROM records WHERE name = ?", [name]),
            }
            .unwrap();
        }
        transaction.commit().unwrap();
        Ok(())
    }
}

impl Harness for PlainTable {
    type Place = TempDir;
    type Store = PlainStore;

    fn place(&self) -> TempDir {
        TempDir::new().unwrap()
    }

    fn open(&self, place: &TempDir) -> Result<PlainStore, ClientStoreError> {
        let connection = Connection::open(path(place)).unwrap();
        let statements =
            "PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = OFF; PRAGMA secure_delete = ON;
            CREATE TABLE IF NOT EXISTS records (name BLOB PRIMARY KEY, content BLOB) STRICT, WITHOUT ROWID";
        connection.execute_batch(statements).unwrap();
        Ok(PlainStore(connection))
    }

    fn files(&self, place: &TempDir) -> Option<Vec<u8>> {
        Sqlite.files(place)
    }
}

/// The reason for slots.
#[test]
fn a_plain_table_keeps_copies_of_what_was_replaced() {
    let found = conformance::check(&PlainTable).unwrap_err();
    assert_eq!(found, Nonconformance::Rule("what a record held before is in no file"));
}

/// What a store does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bug {
    None,
    ForgetsAtTheEnd,
    KeepsDeleted,
    SavesHalf,
    FirstChangeWins,
    CutsLong,
    OnePlaceForAll,
    ServesTwo,
}

/// Stores in memory with a bug.
struct Broken {
    bug: Bug,
    shared: MemoryClientStore,
}

struct BrokenStore {
    bug: Bug,
    records: MemoryClientStore,
}

impl ClientStore for BrokenStore {
    fn load(&mut self) -> Result<Vec<StoredRecord>, ClientStoreError> {
        self.records.load()
    }

    fn save(&mut self, changes: &[RecordChange]) -> Result<(), ClientStoreError> {
        let mut changes = changes.to_vec();
        match self.bug {
            Bug::KeepsDeleted => changes.retain(|change| change.content.is_some()),
            Bug::SavesHalf => changes.truncate(changes.len().div_ceil(2)),
            Bug::FirstChangeWins => changes.reverse(),
            Bug::CutsLong => {
                changes.iter_mut().filter_map(|change| change.content.as_mut()).for_each(|content| {
                    content.truncate(1 << 16);
                });
            }
            Bug::ServesTwo => _ = self.records.load()?,
            _ => {}
        }
        self.records.save(&changes)
    }
}

impl Harness for Broken {
    type Place = MemoryClientStore;
    type Store = BrokenStore;

    fn place(&self) -> MemoryClientStore {
        if self.bug == Bug::OnePlaceForAll { self.shared.clone() } else { MemoryClientStore::default() }
    }

    fn open(&self, place: &MemoryClientStore) -> Result<BrokenStore, ClientStoreError> {
        let records = if self.bug == Bug::ForgetsAtTheEnd { self.place() } else { place.clone() };
        Ok(BrokenStore { bug: self.bug, records })
    }

    fn files(&self, _: &MemoryClientStore) -> Option<Vec<u8>> {
        None
    }
}

#[test]
fn the_suite_finds_broken_stores() {
    let check = |bug| conformance::check(&Broken { bug, shared: MemoryClientStore::default() });
    check(Bug::None).unwrap();
    let bugs = [
        Bug::ForgetsAtTheEnd,
        Bug::KeepsDeleted,
        Bug::SavesHalf,
        Bug::FirstChangeWins,
        Bug::CutsLong,
        Bug::OnePlaceForAll,
        Bug::ServesTwo,
    ];
    for bug in bugs {
        assert!(matches!(check(bug), Err(Nonconformance::Rule(_))), "{bug:?}");
    }
}
