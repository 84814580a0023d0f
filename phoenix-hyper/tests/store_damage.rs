//! The store on disk when its files are damaged: a clear error, or the commits before the damage.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use phoenix_core::store::{Commit, Expectation, Key, Reads, Row, Scan, Settlement, Version, Write};
use phoenix_hyper::store::{
    EmbeddedStore, Store, StoreError,
    embedded::{EmbeddedSettings, OpenError},
};
use tempfile::TempDir;

/// Only a failing test waits this long.
const PATIENCE: Duration = Duration::from_secs(60);

const COMMITS: u8 = 30;

fn settings() -> EmbeddedSettings {
    EmbeddedSettings { write_buffer: 64 << 10, ..EmbeddedSettings::default() }
}

fn open(directory: &Path) -> Result<EmbeddedStore, OpenError> {
    EmbeddedStore::open(directory, settings())
}

fn key(name: &[u8]) -> Key {
    Key::from_bytes(&[&[49], name].concat()).unwrap()
}

async fn commit(
    store: &EmbeddedStore,
    expect: Vec<Expectation>,
    writes: Vec<Write>,
    version: u8,
) -> Settlement {
    store.commit(Commit { expect, writes, version: Version([version; 16]) }).await
}

async fn rows(store: &EmbeddedStore, keys: Vec<Key>) -> Vec<Option<Row>> {
    let rows = store.read(Reads { keys, scans: Vec::new() }).await.unwrap().rows;
    rows.into_iter().map(|(_, row)| row).collect()
}

/// A small store with its rows in the journal, two of each commit.
async fn written() -> TempDir {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).unwrap();
    for number in 0..COMMITS {
        let put = |row: u8| Write { key: key(&[number, row]), bytes: Some(vec![number; 20]) };
        assert_eq!(commit(&store, Vec::new(), vec![put(0), put(1)], number).await, Settlement::Committed);
    }
    drop(store);
    // After reopening, the journal has no preallocated space.
    drop(open(directory.path()).unwrap());
    directory
}

/// The number of commits that are there: checks that all are whole, and none follows a missing one.
async fn prefix(store: &EmbeddedStore) -> u8 {
    let keys = (0..COMMITS).flat_map(|number| [key(&[number, 0]), key(&[number, 1])]);
    let found = rows(store, keys.collect()).await;
    let mut length = None;
    for (number, pair) in (0..COMMITS).zip(found.chunks(2)) {
        let there = Some(Row { version: Version([number; 16]), bytes: vec![number; 20] });
        if length.is_none() && pair[0].is_none() {
            length = Some(number);
        }
        let expected = if length.is_none() { there } else { None };
        assert!(pair.iter().all(|row| *row == expected), "commit {number}: {pair:?}");
    }
    length.unwrap_or(COMMITS)
}

fn copy(from: &Path) -> TempDir {
    let to = TempDir::new().unwrap();
    copy_into(from, to.path());
    to
}

fn copy_into(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&target).unwrap();
            copy_into(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn journal(directory: &Path) -> PathBuf {
    let mut files = files(directory).into_iter();
    files.find(|path| path.extension().is_some_and(|extension| extension == "jnl")).unwrap()
}

#[tokio::test]
async fn a_journal_cut_short_gives_the_commits_before_the_cut() {
    let whole = written().await;
    let length = fs::metadata(journal(whole.path())).unwrap().len();
    let mut found = Vec::new();
    for cut in (0..length).step_by(23).chain([1, 2, 3]) {
        let directory = copy(whole.path());
        let file = fs::File::options().write(true).open(journal(directory.path())).unwrap();
        file.set_len(length - cut).unwrap();
        drop(file);
        found.push((cut, prefix(&open(directory.path()).unwrap()).await));
    }
    found.sort();
    assert_eq!(found[0], (0, COMMITS));
    assert_eq!(found[1], (1, COMMITS - 1), "a commit is whole to the last byte or not there");
    assert!(found.is_sorted_by_key(|(_, commits)| u8::MAX - commits), "{found:?}");
    assert!(found[found.len() - 1].1 < 2, "{found:?}");
}

#[tokio::test]
async fn a_flipped_bit_in_the_journal_is_an_error_or_an_end() {
    let whole = written().await;
    let bytes = fs::read(journal(whole.path())).unwrap();
    let mut refused = 0;
    for place in (0..bytes.len()).step_by(13) {
        let directory = copy(whole.path());
        let mut bytes = bytes.clone();
        bytes[place] ^= 1 << (place % 8);
        fs::write(journal(directory.path()), bytes).unwrap();
        match open(directory.path()) {
            Ok(store) => assert!(prefix(&store).await <= COMMITS),
            Err(OpenError::Damaged { .. }) => refused += 1,
            Err(error) => panic!("place {place}: {error}"),
        }
    }
    assert!(refused > 10, "{refused}");
}

#[tokio::test]
async fn a_flipped_bit_anywhere_is_never_a_panic() {
    let whole = written().await;
    let mut refused = 0;
    for file in files(whole.path()) {
        let bytes = fs::read(&file).unwrap();
        for place in (0..bytes.len()).step_by(bytes.len() / 16 + 1) {
            let directory = copy(whole.path());
            let mut bytes = bytes.clone();
            bytes[place] ^= 1 << (place % 8);
            fs::write(directory.path().join(file.strip_prefix(whole.path()).unwrap()), bytes).unwrap();
            match open(directory.path()) {
                Ok(store) => {
                    let keys = (0..COMMITS).map(|number| key(&[number, 0])).collect();
                    let _ = store.read(Reads { keys, scans: Vec::new() }).await;
                }
                Err(error) => {
                    assert!(error.to_string().contains(directory.path().to_str().unwrap()), "{error}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 0);
}

fn content(number: u32) -> Vec<u8> {
    format!("content of row {number:05};").repeat(10).into_bytes()
}

fn name(number: u32) -> Key {
    key(&number.to_be_bytes())
}

/// Writes rows until the engine has sorted all of `0..ROWS` into one file. Returns the file.
async fn sorted_in(directory: &Path) -> PathBuf {
    let store = open(directory).unwrap();
    let begun = Instant::now();
    for number in 0.. {
        let put = |number| Write { key: name(number), bytes: Some(content(number)) };
        assert_eq!(commit(&store, Vec::new(), vec![put(number)], 1).await, Settlement::Committed);
        if number % 64 == 0 && number > ROWS {
            let mut files = files(directory).into_iter();
            let holds = |file: &Vec<u8>, number| file.windows(20).any(|part| part == &content(number)[..20]);
            let found = files.find(|path| {
                let in_tables = path.parent().is_some_and(|parent| parent.ends_with("tables"));
                in_tables && fs::read(path).is_ok_and(|file| holds(&file, 0) && holds(&file, ROWS - 1))
            });
            if let Some(found) = found {
                return found;
            }
        }
        assert!(begun.elapsed() < PATIENCE, "the engine sorts in");
    }
    unreachable!()
}

const ROWS: u32 = 100;

#[tokio::test]
async fn a_flipped_bit_in_a_sorted_row_concerns_its_neighbours_at_most() {
    let directory = TempDir::new().unwrap();
    let file = sorted_in(directory.path()).await;
    let mut bytes = fs::read(&file).unwrap();
    let damaged = 40;
    let place = bytes.windows(content(damaged).len()).position(|part| part == content(damaged)).unwrap();
    bytes[place + 7] ^= 16;
    fs::write(&file, bytes).unwrap();

    let store = open(directory.path()).unwrap();
    let mut found = rows(&store, (0..ROWS).map(name).collect()).await;
    let row = found[damaged as usize].clone().unwrap();
    assert!(row.bytes.is_empty(), "a damaged row has no content");
    let whole = |number: u32| Some(Row { version: Version([1; 16]), bytes: content(number) });
    let harmed = (0..ROWS).filter(|number| found[*number as usize] != whole(*number)).count();
    assert!((1..=20).contains(&harmed), "{harmed} rows are harmed");
    // Damaged rows are without content, and all others intact.
    found.retain(|row| {
        row.as_ref().is_none_or(|row| !row.bytes.is_empty() && row.version != Version([1; 16]))
    });
    assert_eq!(found, []);
    let scan = Scan { first: name(0).to_bytes(), end: name(ROWS).to_bytes(), limit: 1000 };
    let scanned = store.read(Reads { keys: Vec::new(), scans: vec![scan] }).await;
    assert!(matches!(scanned, Err(StoreError::Damaged(kind)) if kind == name(0).kind()), "{scanned:?}");

    // A damaged row can be overwritten or deleted; expectations apply to it as to any.
    let expect = |version| vec![Expectation { key: name(damaged), version }];
    let put = || vec![Write { key: name(damaged), bytes: Some(b"new".to_vec()) }];
    assert_eq!(commit(&store, expect(None), put(), 2).await, Settlement::Conflict);
    assert_eq!(commit(&store, expect(Some(Version([1; 16]))), put(), 2).await, Settlement::Conflict);
    assert_eq!(commit(&store, expect(Some(row.version)), put(), 2).await, Settlement::Committed);
    let new = rows(&store, vec![name(damaged)]).await;
    assert_eq!(new, [Some(Row { version: Version([2; 16]), bytes: b"new".to_vec() })]);
    let delete = vec![Write { key: name(damaged), bytes: None }];
    assert_eq!(commit(&store, expect(Some(Version([2; 16]))), delete, 3).await, Settlement::Committed);
    assert_eq!(rows(&store, vec![name(damaged)]).await, [None]);
}

#[tokio::test]
async fn other_formats_are_told_apart() {
    let whole = written().await;
    let format = whole.path().join("records/format");
    fs::write(&format, "2\n").unwrap();
    assert!(matches!(open(whole.path()), Err(OpenError::Newer { found: 2, .. })));
    for text in [&b"0\n"[..], b"", b"one", b"\xff"] {
        fs::write(&format, text).unwrap();
        assert!(matches!(open(whole.path()), Err(OpenError::Damaged { .. })), "{text:?}");
    }
    fs::remove_file(&format).unwrap();
    assert!(matches!(open(whole.path()), Err(OpenError::Damaged { .. })));
    fs::write(&format, "1\n").unwrap();
    assert_eq!(prefix(&open(whole.path()).unwrap()).await, COMMITS);
}

#[tokio::test]
async fn half_a_new_store_is_made_anew() {
    let directory = TempDir::new().unwrap();
    fs::create_dir_all(directory.path().join("records.new/keyspaces")).unwrap();
    fs::write(directory.path().join("records.new/0.jnl"), b"half").unwrap();
    assert_eq!(prefix(&open(directory.path()).unwrap()).await, 0);
    assert!(!directory.path().join("records.new").exists());
}

#[tokio::test]
async fn leftovers_of_a_rescue_are_removed() {
    let whole = written().await;
    let left = journal(whole.path()).with_extension("copy");
    fs::write(&left, b"half").unwrap();
    assert_eq!(prefix(&open(whole.path()).unwrap()).await, COMMITS);
    assert!(!left.exists());
}

#[test]
fn a_path_that_is_not_a_directory_is_named() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("file");
    fs::write(&path, b"").unwrap();
    let Err(error) = open(&path) else { panic!("a file is not a store") };
    assert!(matches!(&error, OpenError::Io { path: named, .. } if *named == path));
    assert!(error.to_string().starts_with(path.to_str().unwrap()), "{error}");
}
