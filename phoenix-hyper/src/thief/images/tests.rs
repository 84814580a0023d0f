//! What stands in the files is read as the store has written it.

use std::path::Path;

use phoenix_core::store::{Commit, Key, Settlement, Version, Write};

use super::*;
use crate::store::{EmbeddedStore, Store, embedded::EmbeddedSettings};

fn key(name: &[u8]) -> Key {
    Key::from_bytes(&[&[48], name].concat()).unwrap()
}

async fn commit(store: &EmbeddedStore, version: u8, writes: &[(&[u8], Option<Vec<u8>>)]) {
    let writes = writes.iter().map(|(name, bytes)| Write { key: key(name), bytes: bytes.clone() });
    let commit = Commit { expect: Vec::new(), writes: writes.collect(), version: Version([version; 16]) };
    assert_eq!(store.commit(commit).await, Settlement::Committed);
}

fn open(folder: &Path, write_buffer: u64) -> EmbeddedStore {
    EmbeddedStore::open(folder, EmbeddedSettings { write_buffer, ..EmbeddedSettings::default() }).unwrap()
}

fn image(store: &Path, copy: &Path) -> Image {
    steal(store, copy).unwrap();
    Image::read(copy).unwrap()
}

#[tokio::test]
async fn the_journal_has_every_row_that_was_written_and_what_became_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("store"), 8 << 20);
    commit(&store, 1, &[(b"one", Some(b"content".to_vec())), (b"two", Some(Vec::new()))]).await;
    commit(&store, 2, &[(b"one", Some(b"other".to_vec())), (b"two", None)]).await;
    let image = image(&folder.path().join("store"), &folder.path().join("image"));
    let seen = |row: &Written| (row.key.clone(), row.content.clone());
    let row = |name: &[u8], content: Option<(u8, &[u8])>| {
        let content = content.map(|(version, bytes)| ([version; 16], bytes.to_vec()));
        (key(name).to_bytes(), content)
    };
    let expected = [
        row(b"one", Some((1, b"content"))),
        row(b"two", Some((1, b""))),
        row(b"one", Some((2, b"other"))),
        row(b"two", None),
    ];
    assert_eq!(image.rows.iter().map(seen).collect::<Vec<_>>(), expected);
    let sequences: Vec<u64> = image.rows.iter().map(|row| row.sequence).collect();
    assert_eq!(sequences[0], sequences[1], "rows of one commit have one number");
    assert!(sequences[1] < sequences[2] && sequences[2] == sequences[3]);
    assert_eq!(image.end(), sequences[3]);
}

/// With a small buffer, rows are sorted into tables: under their names, with their numbers.
#[tokio::test]
async fn tables_are_read_as_the_journal_is() {
    let folder = tempfile::tempdir().unwrap();
    let (files, copy) = (folder.path().join("store"), folder.path().join("image"));
    let store = open(&files, 256 << 10);
    let name = |number: u16| [b"a name that begins like others ", &number.to_be_bytes()[..]].concat();
    let content = |number: u16| vec![number as u8; 3000];
    let mut sorted = Vec::new();
    for number in 0..10_000 {
        commit(&store, 7, &[(&name(number), Some(content(number)))]).await;
        if number % 100 == 0 {
            steal(&files, &copy).unwrap();
            let tables = files::files(&copy).unwrap().into_iter();
            let tables = tables.filter(|path| path.extension().is_none_or(|extension| extension != "jnl"));
            sorted = tables.flat_map(|path| table::rows(&std::fs::read(path).unwrap(), 0)).collect();
        }
        if sorted.len() > 100 {
            break;
        }
    }
    assert!(sorted.len() > 100, "the engine has sorted nothing");
    sorted.sort_by_key(|row| row.sequence);
    for (row, next) in sorted.iter().zip(&sorted[1..]) {
        let number = u16::from_be_bytes(*row.key.last_chunk().unwrap());
        assert_eq!(row.key, key(&name(number)).to_bytes());
        assert_eq!(row.content, Some(([7; 16], content(number))));
        assert!(row.sequence < next.sequence);
    }
}

#[test]
fn what_is_no_journal_and_no_table_has_no_rows() {
    for bytes in [&[][..], &[0; 100], &[1, 0, 0], &[2, 0, 0, 0], b"LSM\x03", &[255; 300]] {
        assert_eq!(journal::rows(bytes, 0), []);
        assert_eq!(table::rows(bytes, 0), []);
    }
}

#[test]
fn an_hour_is_read_where_rows_are_named_by_one() {
    let row = |key: &[u8]| Written::new(key.to_vec(), None, 0, 0, 0).unwrap();
    assert_eq!(row(&[4, 0, 0, 1, 0, 9, 9]).hour(), Some(256));
    assert_eq!(row(&[48, 0, 0, 1, 0, 9, 9]).hour(), None);
    assert_eq!(Written::new(vec![255, 1], None, 0, 0, 0), None, "not a record");
}
