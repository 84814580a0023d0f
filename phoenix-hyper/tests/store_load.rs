//! Measurements of the store on disk, for those who change it. Nothing is asserted about time.
//!
//! `cargo test --release -p phoenix-hyper --test store_load -- --ignored --nocapture --test-threads 1`
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use phoenix_core::store::{Commit, Expectation, Key, Reads, Scan, Settlement, Version, Write};
use phoenix_hyper::store::{EmbeddedStore, Store, embedded::EmbeddedSettings};
use tempfile::TempDir;

/// Rows that are there before anything is measured.
const ROWS: u64 = 200_000;
const CONTENT: usize = 300;

fn key(kind: u8, number: u64) -> Key {
    // Without order, like identifiers.
    let mut name = [0; 24];
    name[..8].copy_from_slice(&number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
    name[8..16].copy_from_slice(&number.to_be_bytes());
    Key::from_bytes(&[&[kind], &name[..]].concat()).unwrap()
}

/// The `number`th entry of a queue.
fn entry(number: u64) -> Key {
    Key::from_bytes(&[&[53], &number.to_be_bytes()[..]].concat()).unwrap()
}

fn put(key: Key) -> Write {
    Write { key, bytes: Some(vec![7; CONTENT]) }
}

fn version() -> Version {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut version = [0; 16];
    version[..8].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    Version(version)
}

async fn write(store: &EmbeddedStore, writes: Vec<Write>) {
    let commit = Commit { expect: Vec::new(), writes, version: version() };
    assert_eq!(store.commit(commit).await, Settlement::Committed);
}

async fn fill(store: &EmbeddedStore) {
    for first in (0..ROWS).step_by(500) {
        write(store, (first..first + 500).map(|number| put(key(49, number))).collect()).await;
    }
}

fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = |name| status.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
    format!("{} {}", line("VmRSS"), line("VmHWM"))
}

/// The reads and writes of a request: five rows are read and expected; two of them and a new one are written.
async fn request(store: &EmbeddedStore, number: u64) -> (Settlement, Duration) {
    let row = |place: u64| (number * 5 + place).wrapping_mul(48_271) % ROWS;
    let keys: Vec<Key> = (0..5).map(|place| key(49, row(place))).collect();
    let rows = store.read(Reads { keys: keys.clone(), scans: Vec::new() }).await.unwrap();
    let expect =
        rows.rows.into_iter().map(|(key, row)| Expectation { key, version: row.map(|row| row.version) });
    let writes = vec![put(keys[0].clone()), put(keys[1].clone()), put(key(3, number))];
    let commit = Commit { expect: expect.collect(), writes, version: version() };
    let begun = Instant::now();
    (store.commit(commit).await, begun.elapsed())
}

async fn load(store: &EmbeddedStore, tasks: u64, begin: u64) -> u64 {
    const TIME: Duration = Duration::from_secs(5);
    let number = Arc::new(AtomicU64::new(begin));
    let begun = Instant::now();
    let running: Vec<_> = (0..tasks)
        .map(|_| {
            let (store, number) = (store.clone(), Arc::clone(&number));
            tokio::spawn(async move {
                let (mut waits, mut conflicts) = (Vec::new(), 0);
                while begun.elapsed() < TIME {
                    let (settlement, wait) = request(&store, number.fetch_add(1, Ordering::Relaxed)).await;
                    conflicts += u64::from(settlement == Settlement::Conflict);
                    assert_ne!(settlement, Settlement::Unknown);
                    waits.push(wait);
                }
                (waits, conflicts)
            })
        })
        .collect();
    let (mut waits, mut conflicts) = (Vec::new(), 0);
    for task in running {
        let (more, met) = task.await.unwrap();
        waits.extend(more);
        conflicts += met;
    }
    let elapsed = begun.elapsed();
    waits.sort();
    println!(
        "{tasks:>4} at once: {:>8.0} commits/s, half within {:?}, 99 of 100 within {:?}, {conflicts} conflicts; {}",
        waits.len() as f64 / elapsed.as_secs_f64(),
        waits[waits.len() / 2],
        waits[waits.len() * 99 / 100],
        memory()
    );
    number.load(Ordering::Relaxed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn commits() {
    let directory = TempDir::new().unwrap();
    let store = EmbeddedStore::open(directory.path(), EmbeddedSettings::default()).unwrap();
    println!("open: {}", memory());
    let begun = Instant::now();
    fill(&store).await;
    println!("{ROWS} rows written in {:?}; {}", begun.elapsed(), memory());
    let mut next = 0;
    for tasks in [1, 16, 256] {
        next = load(&store, tasks, next).await;
    }
    let begun = Instant::now();
    for number in 0..100_000 {
        let keys = vec![key(49, number * 7919 % ROWS)];
        store.read(Reads { keys, scans: Vec::new() }).await.unwrap();
    }
    println!("a row is read in {:?}; {}", begun.elapsed() / 100_000, memory());
    drop(store);
    let begun = Instant::now();
    let store = EmbeddedStore::open(directory.path(), EmbeddedSettings::default()).unwrap();
    println!("opened again in {:?}; {}", begun.elapsed(), memory());
    drop(store);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn scans_over_deleted_rows() {
    let directory = TempDir::new().unwrap();
    let store = EmbeddedStore::open(directory.path(), EmbeddedSettings::default()).unwrap();
    let scan = Scan { first: vec![53], end: vec![54], limit: 1 };
    let look = async |what: &str| {
        let begun = Instant::now();
        let rows = store.read(Reads { keys: Vec::new(), scans: vec![scan.clone()] }).await.unwrap();
        println!("{what}: {} found in {:?}; {}", rows.scans[0].1.len(), begun.elapsed(), memory());
    };
    look("empty").await;
    for round in 0..4_u64 {
        let names = round * 25_000..(round + 1) * 25_000;
        for first in names.clone().step_by(100) {
            write(&store, (first..first + 100).map(|number| put(entry(number))).collect()).await;
        }
        look("25000 more written").await;
        for first in names.step_by(100) {
            let delete = |number| Write { key: entry(number), bytes: None };
            write(&store, (first..first + 100).map(delete).collect()).await;
        }
        look("all deleted").await;
    }
    write(&store, vec![put(entry(1_000_000))]).await;
    look("one behind all that").await;
}
