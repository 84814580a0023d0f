//! The store on disk when its process is killed, and when there is no space: acknowledged commits are there,
//! whole.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use phoenix_core::store::{Commit, Expectation, Key, Reads, Row, Scan, Settlement, Version, Write};
use phoenix_hyper::store::{EmbeddedStore, Store, StoreError, embedded::EmbeddedSettings};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;

/// The directory of the store, set for child processes only.
const DIRECTORY: &str = "STORE_CRASH_DIRECTORY";

/// The seed of a child process.
const SEED: &str = "STORE_CRASH_SEED";

const TASKS: u64 = 8;
const ACCOUNTS: u64 = 16;

/// How many entries of a task's log are kept; a further one deletes the oldest.
const KEPT: u64 = 10;

const ROUNDS: u64 = 20;

/// Only a failing test waits this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// With a buffer so small that rows are sorted into files all the time.
fn open(directory: &Path) -> EmbeddedStore {
    let settings = EmbeddedSettings { write_buffer: 256 << 10, ..EmbeddedSettings::default() };
    EmbeddedStore::open(directory, settings).unwrap()
}

/// Runs the test `name` of this binary in a process of its own.
fn child(name: &str, directory: &Path, seed: u64) -> Child {
    // Exceeding the limit of a file must be an error, not end the process.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--ignored", "--nocapture"]);
    command.env(DIRECTORY, directory).env(SEED, seed.to_string());
    command.stdout(Stdio::piped()).spawn().unwrap()
}

/// Pseudo-random numbers.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB) % limit
    }
}

fn key(kind: u8, numbers: &[u64]) -> Key {
    let name = numbers.iter().flat_map(|number| number.to_be_bytes());
    Key::from_bytes(&[kind].into_iter().chain(name).collect::<Vec<_>>()).unwrap()
}

fn account(number: u64) -> Key {
    key(16, &[number])
}

fn progress(task: u64) -> Key {
    key(49, &[task])
}

fn log(task: u64, turn: u64) -> Key {
    key(53, &[task, turn])
}

/// A row that contains its version, task, turn and a number.
fn row(task: u64, turn: u64, version: Version, number: u64, filler: u64) -> Vec<u8> {
    let mut bytes = version.0.to_vec();
    [task, turn, number].iter().for_each(|number| bytes.extend(number.to_be_bytes()));
    bytes.resize(bytes.len() + usize::try_from(filler).unwrap(), turn as u8);
    bytes
}

struct Read {
    task: u64,
    turn: u64,
    number: u64,
}

fn parse(row: &Row) -> Read {
    assert_eq!(row.bytes[..16], row.version.0, "a row has the version of the commit that wrote it");
    let number = |place: usize| u64::from_be_bytes(row.bytes[16 + place * 8..][..8].try_into().unwrap());
    Read { task: number(0), turn: number(1), number: number(2) }
}

async fn rows(store: &EmbeddedStore, keys: Vec<Key>) -> Vec<(Key, Option<Row>)> {
    store.read(Reads { keys, scans: Vec::new() }).await.unwrap().rows
}

/// One turn: transfers an amount between two accounts, and writes the task's progress and log.
async fn turn(store: &EmbeddedStore, task: u64, draw: &mut Draw) -> Option<u64> {
    let from = draw.below(ACCOUNTS);
    let to = (from + 1 + draw.below(ACCOUNTS - 1)) % ACCOUNTS;
    let found = rows(store, vec![account(from), account(to), progress(task)]).await;
    let number = |place: usize| found[place].1.as_ref().map_or(0, |row| parse(row).number);
    let turn = number(2) + 1;
    let mut version = [0; 16];
    version[..8].copy_from_slice(&draw.below(u64::MAX).to_be_bytes());
    version[8..].copy_from_slice(&(task << 32 | turn).to_be_bytes());
    let version = Version(version);
    let filler = if draw.below(16) == 0 { 1 << 20 } else { draw.below(8 << 10) };
    let amount = draw.below(1000);
    let row = |number: u64, filler| Some(row(task, turn, version, number, filler));
    let mut writes = vec![
        Write { key: account(from), bytes: row(number(0).wrapping_sub(amount), 0) },
        Write { key: account(to), bytes: row(number(1).wrapping_add(amount), 0) },
        Write { key: progress(task), bytes: row(turn, 0) },
        Write { key: log(task, turn), bytes: row(amount, filler) },
    ];
    if turn > KEPT {
        writes.push(Write { key: log(task, turn - KEPT), bytes: None });
    }
    let expect = found
        .iter()
        .map(|(key, row)| Expectation { key: key.clone(), version: row.as_ref().map(|row| row.version) });
    match store.commit(Commit { expect: expect.collect(), writes, version }).await {
        Settlement::Committed => Some(turn),
        Settlement::Conflict => None,
        Settlement::Unknown => panic!("nothing is wrong with the disk"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "a process that another test kills"]
async fn commits_until_killed() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let store = open(Path::new(&directory));
    let seed: u64 = std::env::var(SEED).unwrap().parse().unwrap();
    let tasks = (0..TASKS).map(|task| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut draw = Draw(seed << 8 | task);
            loop {
                if let Some(turn) = turn(&store, task, &mut draw).await {
                    let mut output = std::io::stdout().lock();
                    writeln!(output, "{task} {turn}").unwrap();
                    output.flush().unwrap();
                }
            }
        })
    });
    futures_util::future::join_all(tasks.collect::<Vec<_>>()).await;
}

/// Kills a child at its `last`th acknowledgement. Returns the last turn that each task acknowledged.
fn acknowledged(directory: &Path, seed: u64, last: u64) -> BTreeMap<u64, u64> {
    let mut child = child("commits_until_killed", directory, seed);
    let mut turns: BTreeMap<u64, u64> = BTreeMap::new();
    let mut count = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let Some((task, turn)) = line.split_once(' ') else { continue };
        // Lines of the test harness, and a last line that was cut short, are skipped.
        let (Ok(task), Ok(turn)) = (task.parse(), turn.parse()) else { continue };
        let known = turns.entry(task).or_insert(turn);
        *known = turn.max(*known);
        count += 1;
        if count == last {
            child.kill().unwrap();
        }
    }
    assert!(count >= last, "the child ended by itself");
    assert!(!child.wait().unwrap().success());
    turns
}

async fn check(store: &EmbeddedStore, acknowledged: &BTreeMap<u64, u64>, before: &mut BTreeMap<u64, u64>) {
    let mut turns = BTreeMap::new();
    for task in 0..TASKS {
        let found = rows(store, vec![progress(task)]).await;
        let turn = found[0].1.as_ref().map_or(0, |row| parse(row).number);
        let known = acknowledged.get(&task).or(before.get(&task)).copied().unwrap_or(0);
        assert!(turn >= known, "turn {known} of task {task} was acknowledged, {turn} was the last");
        assert!(turn <= known + 1, "a task begins no turn before the last is acknowledged");
        turns.insert(task, turn);
        let scan = Scan { first: log(task, 0).to_bytes(), end: log(task, u64::MAX).to_bytes(), limit: 1000 };
        let logs = store.read(Reads { keys: Vec::new(), scans: vec![scan] }).await.unwrap().scans.remove(0).1;
        let expected: Vec<Key> = (turn.saturating_sub(KEPT) + 1..=turn).map(|turn| log(task, turn)).collect();
        assert_eq!(logs, expected, "progress and log are written together");
        for (entry, turn) in rows(store, logs).await.iter().zip(turn.saturating_sub(KEPT) + 1..) {
            let entry = parse(entry.1.as_ref().unwrap());
            assert_eq!((entry.task, entry.turn), (task, turn));
        }
    }
    let mut sum = 0_u64;
    for (_, row) in rows(store, (0..ACCOUNTS).map(account).collect()).await {
        let Some(row) = row else { continue };
        let account = parse(&row);
        assert!(account.turn <= turns[&account.task], "no part of a commit is there without the rest");
        sum = sum.wrapping_add(account.number);
    }
    assert_eq!(sum, 0, "accounts are written together");
    *before = turns;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_loses_nothing_that_it_acknowledged() {
    let directory = TempDir::new().unwrap();
    let mut before = BTreeMap::new();
    let mut draw = Draw(1);
    for round in 0..ROUNDS {
        let last = 1 + draw.below(200);
        let path = directory.path().to_owned();
        let turns = tokio::task::spawn_blocking(move || acknowledged(&path, round, last)).await.unwrap();
        let store = open(directory.path());
        check(&store, &turns, &mut before).await;
        // The store accepts further commits.
        while turn(&store, 0, &mut draw).await.is_none() {}
        *before.get_mut(&0).unwrap() += 1;
    }
    assert!(before.values().sum::<u64>() > 5 * ROUNDS, "{before:?}");
}

async fn put(store: &EmbeddedStore, number: u64, length: usize) -> Settlement {
    let expect = vec![Expectation { key: account(number), version: None }];
    let writes = vec![Write { key: account(number), bytes: Some(vec![number as u8; length]) }];
    store.commit(Commit { expect, writes, version: Version([number as u8; 16]) }).await
}

async fn assert_there(store: &EmbeddedStore, numbers: &[u64], length: usize) {
    for (number, row) in numbers.iter().zip(rows(store, numbers.iter().copied().map(account).collect()).await)
    {
        let row = row.1.unwrap();
        assert_eq!((row.version, row.bytes), (Version([*number as u8; 16]), vec![*number as u8; length]));
    }
}

const LENGTH: usize = 20_000;

#[tokio::test]
#[ignore = "a process that another test starts"]
async fn meets_the_end_of_space() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let store = open(Path::new(&directory));
    let mut there: Vec<u64> = (0..5).collect();
    assert_there(&store, &there, LENGTH).await;
    let free = getrlimit(Resource::Fsize);
    // From now on, files can grow to this size.
    setrlimit(Resource::Fsize, Rlimit { current: Some(300_000), maximum: free.maximum }).unwrap();
    let mut number = 5;
    loop {
        match put(&store, number, LENGTH).await {
            Settlement::Committed => there.push(number),
            Settlement::Unknown => break,
            Settlement::Conflict => panic!("no one else writes"),
        }
        number += 1;
        assert!(number < 250, "there is a limit");
    }
    assert!(there.len() > 5, "there was some space");
    let begun = Instant::now();
    while !matches!(store.health(), Err(StoreError::Full(_))) {
        assert!(begun.elapsed() < PATIENCE, "{:?}", store.health());
        tokio::task::yield_now().await;
    }
    assert_there(&store, &there, LENGTH).await;
    assert_eq!(put(&store, 251, LENGTH).await, Settlement::Unknown);

    setrlimit(Resource::Fsize, free).unwrap();
    while store.health().is_err() {
        assert!(begun.elapsed() < PATIENCE, "{:?}", store.health());
        tokio::task::yield_now().await;
    }
    assert_there(&store, &there, LENGTH).await;
    assert_eq!(rows(&store, vec![account(251)]).await[0].1, None, "what came later was not tried");
    for number in 252..256 {
        assert_eq!(put(&store, number, LENGTH).await, Settlement::Committed);
        there.push(number);
    }
    let mut output = std::io::stdout().lock();
    there.iter().for_each(|number| writeln!(output, "there {number}").unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_space_commits_fail_and_with_space_they_go_on() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path());
    for number in 0..5 {
        assert_eq!(put(&store, number, LENGTH).await, Settlement::Committed);
    }
    drop(store);
    // After reopening, the journal has no preallocated space.
    drop(open(directory.path()));
    let child = child("meets_the_end_of_space", directory.path(), 0);
    let output = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap()).await.unwrap();
    let output = (output.status.success(), String::from_utf8(output.stdout).unwrap());
    assert!(output.0, "{}", output.1);
    let there = output.1.lines().filter_map(|line| line.strip_prefix("there ")?.parse().ok());
    let there: Vec<u64> = there.collect();
    assert!(there.len() > 9, "{}", output.1);
    assert_there(&open(directory.path()), &there, LENGTH).await;
}
