//! The store on disk: it conforms, and names what it cannot open.
#![allow(clippy::unwrap_used, clippy::panic)]

use futures_util::FutureExt;
use phoenix_core::store::{Commit, Key, Reads, Scan, Settlement, Version, Write};
use phoenix_hyper::store::{
    EmbeddedStore, Store, conformance,
    embedded::{EmbeddedSettings, OpenError},
};
use tempfile::TempDir;

fn open(directory: &TempDir) -> EmbeddedStore {
    EmbeddedStore::open(directory.path(), EmbeddedSettings::default()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn conforms() {
    // Directories outlive the stores in them.
    let directories = std::sync::Mutex::new(Vec::new());
    let fresh = async || {
        let directory = TempDir::new().unwrap();
        let store = open(&directory);
        directories.lock().unwrap().push(directory);
        Ok(store)
    };
    conformance::check(fresh).await.unwrap();
}

#[tokio::test]
async fn is_durable() {
    let directory = TempDir::new().unwrap();
    conformance::check_durable(async || Ok(open(&directory))).await.unwrap();
}

#[tokio::test]
async fn clones_are_one_store() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    conformance::check_shared(&store, &store.clone()).await.unwrap();
    store.health().unwrap();
}

#[test]
fn one_process_has_a_directory() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    let second = EmbeddedStore::open(directory.path(), EmbeddedSettings::default());
    let Err(error) = second else { panic!("two stores in one directory") };
    assert!(
        matches!(&error, OpenError::InUse { process: Some(process), .. } if *process == std::process::id())
    );
    assert!(error.to_string().ends_with(&format!("process {}", std::process::id())), "{error}");
    drop(store);
    open(&directory);
}

#[tokio::test]
async fn commits_under_way_are_finished_when_it_is_dropped() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    let keys: Vec<Key> = (0..100).map(|name| Key::from_bytes(&[1, name]).unwrap()).collect();
    for key in &keys {
        let writes = vec![Write { key: key.clone(), bytes: Some(vec![1; 1000]) }];
        let commit = Commit { expect: Vec::new(), writes, version: Version([1; 16]) };
        // The caller does not wait for the answer.
        let _ = store.commit(commit).now_or_never();
    }
    drop(store);
    let rows = open(&directory).read(Reads { keys, scans: Vec::new() }).await.unwrap().rows;
    assert_eq!(rows.iter().filter(|(_, row)| row.is_some()).count(), 100);
}

#[tokio::test]
async fn a_key_that_is_too_long_is_refused() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    for (length, settlement) in [(65_535, Settlement::Committed), (65_536, Settlement::Unknown)] {
        let key = Key::from_bytes(&vec![1; length]).unwrap();
        let writes = vec![Write { key, bytes: Some(vec![1]) }];
        let commit = Commit { expect: Vec::new(), writes, version: Version([1; 16]) };
        assert_eq!(store.commit(commit).await, settlement);
    }
    drop(store);
    let scan = Scan { first: vec![1], end: vec![2], limit: 10 };
    let rows = open(&directory).read(Reads { keys: Vec::new(), scans: vec![scan] }).await.unwrap();
    assert_eq!(rows.scans[0].1.len(), 1);
}
