//! Suites that say what every store must do. Run them over your own store.
//!
//! * [`check`]: for any store.
//! * [`check_shared`]: in addition, for a store that several nodes use, in one process or in many.
//! * [`check_durable`]: in addition, for a store that outlives the process.
//!
//! The suites use one record kind, with names and contents of any form: a store must not depend on either.
//! They do not stop the process or the machine in the middle of a commit; test that by other means.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use phoenix_core::{
    identifiers::{NodeId, QsClientId},
    store::{Commit, Expectation, Key, Reads, Scan, Settlement, Version, Write, commit::Rows},
};

use super::{
    interface::{Store, StoreError},
    notification::{NodeEvent, Notification},
};

/// A rule that a store breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Nonconformance {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store did not do what this rule says.
    #[error("the store breaks a rule: {0}")]
    Rule(&'static str),
}

type Checked = Result<(), Nonconformance>;

/// How long a notification may take. Only a failing check waits this long.
const PATIENCE: Duration = Duration::from_secs(30);

/// Checks a store. `open` returns a fresh, empty store on each call.
///
/// # Errors
/// [`Nonconformance`] names the first rule that the store breaks.
pub async fn check<S: Store>(open: impl AsyncFn() -> Result<S, StoreError>) -> Checked {
    absent_rows_are_an_answer(&open().await?).await?;
    commits_apply_whole_or_not_at_all(&open().await?).await?;
    commits_are_read(&open().await?).await?;
    absence_is_expected_like_presence(&open().await?).await?;
    deleted_rows_are_absent(&open().await?).await?;
    commits_without_writes_confirm(&open().await?).await?;
    every_write_changes_the_version(&open().await?).await?;
    rows_may_be_large_or_empty(&open().await?).await?;
    names_may_be_any_bytes(&open().await?).await?;
    scans_are_sorted_and_bounded(&open().await?).await?;
    deleted_rows_are_not_found(&open().await?).await?;
    no_update_is_lost(Arc::new(open().await?)).await?;
    rows_of_one_commit_agree(Arc::new(open().await?)).await?;
    commits_apart_all_apply(&open().await?).await
}

/// Checks two handles on one empty store, as two nodes hold them: each reads what the other commits, and
/// receives what the other publishes.
///
/// # Errors
/// [`Nonconformance`] names the first rule that the store breaks.
pub async fn check_shared<S: Store>(one: &S, other: &S) -> Checked {
    let applied = commit(one, vec![expect(b"1", None)?], vec![put(b"1", b"a")?], 1).await;
    rule(applied == Settlement::Committed, "a commit whose expectations hold applies")?;
    let rows = read(other, &[b"1"]).await?;
    rule(rows == [row(1, b"a")], "what one handle has committed, another reads")?;
    let stale = commit(other, vec![expect(b"1", None)?], vec![put(b"1", b"b")?], 2).await;
    rule(stale == Settlement::Conflict, "handles on one store conflict with each other")?;
    let received = other.notifications();
    let mut received = received
        .ok_or(Nonconformance::Rule("a store for several nodes carries notifications between them"))?;
    let published = Notification { from: NodeId([1; 16]), event: NodeEvent::Signal(QsClientId([7; 16])) };
    one.publish(published.clone());
    let first = tokio::time::timeout(PATIENCE, received.recv()).await;
    rule(first == Ok(Ok(published)), "what one handle publishes, another receives")
}

/// Checks that commits outlive the store that made them. `open` opens the same store on each call, after the
/// handle before was dropped; at the first call the store is empty.
///
/// # Errors
/// [`Nonconformance`] names the first rule that the store breaks.
pub async fn check_durable<S: Store>(open: impl AsyncFn() -> Result<S, StoreError>) -> Checked {
    let store = open().await?;
    let writes = vec![put(b"1", b"a")?, put(b"2", b"b")?, put(b"3", &[3; LARGE])?];
    let applied = commit(&store, vec![], writes, 1).await;
    rule(applied == Settlement::Committed, "a commit that expects nothing applies")?;
    let mixed = vec![delete(b"2")?, put(b"4", b"")?];
    let applied = commit(&store, vec![expect(b"1", Some(1))?], mixed, 2).await;
    rule(applied == Settlement::Committed, "a commit whose expectations hold applies")?;
    drop(store);
    for _ in 0..2 {
        let store = open().await?;
        let rows = read(&store, &[b"1", b"2", b"3", b"4"]).await?;
        let kept = [row(1, b"a"), None, row(1, &[3; LARGE]), row(2, b"")];
        rule(rows == kept, "rows, versions and deletions are there after opening again")?;
        let stale = commit(&store, vec![expect(b"4", Some(1))?], vec![put(b"4", b"x")?], 3).await;
        rule(stale == Settlement::Conflict, "versions are compared after opening again")?;
        let (found, _) = scan(&store, &[1], &[2], 10).await?;
        rule(found == [key(b"1")?, key(b"3")?, key(b"4")?], "scans find what there is after opening again")?;
    }
    let applied = commit(&open().await?, vec![expect(b"4", Some(2))?], vec![delete(b"4")?], 4).await;
    rule(applied == Settlement::Committed, "commits apply after opening again")?;
    rule(
        read(&open().await?, &[b"4"]).await? == [None],
        "what is deleted later is absent after opening again",
    )
}

/// Bytes of a large row: more than any record has.
const LARGE: usize = 1 << 20;

fn rule(holds: bool, rule: &'static str) -> Checked {
    if holds { Ok(()) } else { Err(Nonconformance::Rule(rule)) }
}

/// A key of the record kind that the suites use.
fn key(name: &[u8]) -> Result<Key, Nonconformance> {
    Key::from_bytes(&[&[1], name].concat()).ok_or(Nonconformance::Rule("record kind 1 exists"))
}

fn put(name: &[u8], content: &[u8]) -> Result<Write, Nonconformance> {
    Ok(Write { key: key(name)?, bytes: Some(content.to_vec()) })
}

fn delete(name: &[u8]) -> Result<Write, Nonconformance> {
    Ok(Write { key: key(name)?, bytes: None })
}

fn expect(name: &[u8], version: Option<u8>) -> Result<Expectation, Nonconformance> {
    Ok(Expectation { key: key(name)?, version: version.map(|version| Version([version; 16])) })
}

type Content = Option<(Version, Vec<u8>)>;

fn row(version: u8, content: &[u8]) -> Content {
    Some((Version([version; 16]), content.to_vec()))
}

async fn commit<S: Store>(
    store: &S,
    expect: Vec<Expectation>,
    writes: Vec<Write>,
    version: u8,
) -> Settlement {
    store.commit(Commit { expect, writes, version: Version([version; 16]) }).await
}

async fn read<S: Store>(store: &S, names: &[&[u8]]) -> Result<Vec<Content>, Nonconformance> {
    let keys = names.iter().map(|name| key(name)).collect::<Result<Vec<_>, _>>()?;
    let Rows { rows, .. } = store.read(Reads { keys: keys.clone(), scans: Vec::new() }).await?;
    rule(rows.len() == keys.len(), "a read answers for every key")?;
    let find = |key: &Key| rows.iter().find(|(found, _)| found == key).and_then(|(_, row)| row.clone());
    Ok(keys.iter().map(|key| find(key).map(|row| (row.version, row.bytes))).collect())
}

async fn scan<S: Store>(
    store: &S,
    first: &[u8],
    end: &[u8],
    limit: usize,
) -> Result<(Vec<Key>, Scan), Nonconformance> {
    let scan = Scan { first: first.to_vec(), end: end.to_vec(), limit };
    let Rows { scans, .. } = store.read(Reads { keys: Vec::new(), scans: vec![scan.clone()] }).await?;
    let [(answered, keys)] =
        <[_; 1]>::try_from(scans).map_err(|_| Nonconformance::Rule("a read answers for every scan"))?;
    rule(answered == scan, "a scan's answer names the scan")?;
    Ok((keys, scan))
}

async fn absent_rows_are_an_answer<S: Store>(store: &S) -> Checked {
    rule(read(store, &[b"1", b"2"]).await? == [None, None], "what was never written is absent")
}

async fn commits_apply_whole_or_not_at_all<S: Store>(store: &S) -> Checked {
    let applied = commit(store, vec![], vec![put(b"1", b"a")?, put(b"2", b"b")?], 1).await;
    rule(applied == Settlement::Committed, "a commit that expects nothing applies")?;
    let stale =
        commit(store, vec![expect(b"1", Some(9))?], vec![put(b"1", b"x")?, put(b"3", b"x")?], 2).await;
    rule(stale == Settlement::Conflict, "a commit that expects another version conflicts")?;
    let rows = read(store, &[b"1", b"2", b"3"]).await?;
    rule(rows == [row(1, b"a"), row(1, b"b"), None], "a conflict writes nothing")?;
    let expected = vec![expect(b"1", Some(1))?, expect(b"2", Some(9))?];
    let half = commit(store, expected, vec![put(b"1", b"x")?], 2).await;
    rule(half == Settlement::Conflict, "one expectation that does not hold is enough for a conflict")?;
    let mixed = vec![delete(b"2")?, put(b"3", b"c")?];
    let applied = commit(store, vec![expect(b"1", Some(1))?, expect(b"2", Some(1))?], mixed, 3).await;
    rule(applied == Settlement::Committed, "a commit whose expectations hold applies")?;
    let rows = read(store, &[b"1", b"2", b"3"]).await?;
    rule(rows == [row(1, b"a"), None, row(3, b"c")], "writes and deletions apply together")
}

async fn commits_are_read<S: Store>(store: &S) -> Checked {
    for version in 1..=100 {
        let expected = vec![expect(b"1", (version > 1).then(|| version - 1))?];
        let applied = commit(store, expected, vec![put(b"1", &[version])?], version).await;
        rule(applied == Settlement::Committed, "a commit expects what the one before has written")?;
        rule(read(store, &[b"1"]).await? == [row(version, &[version])], "what is committed is read at once")?;
    }
    Ok(())
}

async fn absence_is_expected_like_presence<S: Store>(store: &S) -> Checked {
    let first = commit(store, vec![expect(b"1", None)?], vec![put(b"1", b"a")?], 1).await;
    rule(first == Settlement::Committed, "what is absent is as expected")?;
    let second = commit(store, vec![expect(b"1", None)?], vec![put(b"1", b"b")?], 2).await;
    rule(second == Settlement::Conflict, "what is present is not absent")?;
    let gone = commit(store, vec![expect(b"2", Some(1))?], vec![put(b"2", b"b")?], 3).await;
    rule(gone == Settlement::Conflict, "what is absent is not present")
}

async fn deleted_rows_are_absent<S: Store>(store: &S) -> Checked {
    commit(store, vec![], vec![put(b"1", b"a")?], 1).await;
    let deleted = commit(store, vec![expect(b"1", Some(1))?], vec![delete(b"1")?, delete(b"2")?], 2).await;
    rule(deleted == Settlement::Committed, "what is absent already may be deleted")?;
    rule(read(store, &[b"1"]).await? == [None], "what is deleted is absent")?;
    let stale = commit(store, vec![expect(b"1", Some(1))?], vec![put(b"1", b"b")?], 3).await;
    rule(stale == Settlement::Conflict, "what is deleted has no version")?;
    let again = commit(store, vec![expect(b"1", None)?], vec![put(b"1", b"c")?], 4).await;
    rule(again == Settlement::Committed, "what is deleted is expected to be absent")?;
    rule(read(store, &[b"1"]).await? == [row(4, b"c")], "what is deleted may be written again")
}

async fn commits_without_writes_confirm<S: Store>(store: &S) -> Checked {
    commit(store, vec![], vec![put(b"1", b"a")?], 1).await;
    let held = commit(store, vec![expect(b"1", Some(1))?, expect(b"2", None)?], vec![], 2).await;
    rule(held == Settlement::Committed, "a commit without writes confirms what it expects")?;
    for expected in [expect(b"1", None)?, expect(b"1", Some(2))?, expect(b"2", Some(1))?] {
        let wrong = commit(store, vec![expected], vec![], 3).await;
        rule(wrong == Settlement::Conflict, "a commit without writes conflicts like any other")?;
    }
    rule(read(store, &[b"1"]).await? == [row(1, b"a")], "a commit without writes changes nothing")
}

async fn every_write_changes_the_version<S: Store>(store: &S) -> Checked {
    commit(store, vec![], vec![put(b"1", b"same")?], 1).await;
    commit(store, vec![], vec![put(b"1", b"same")?], 2).await;
    let stale = commit(store, vec![expect(b"1", Some(1))?], vec![], 3).await;
    rule(stale == Settlement::Conflict, "the same content written again is another version")
}

async fn rows_may_be_large_or_empty<S: Store>(store: &S) -> Checked {
    let large: Vec<u8> = (0..LARGE).map(|place| (place % 251) as u8).collect();
    let applied = commit(store, vec![], vec![put(b"1", &large)?, put(b"2", b"")?], 1).await;
    rule(applied == Settlement::Committed, "rows of 1 MiB and of no bytes are written")?;
    let rows = read(store, &[b"1", b"2"]).await?;
    rule(rows == [row(1, &large), row(1, b"")], "rows of 1 MiB and of no bytes are read")
}

/// Names in the order in which scans must return them.
const NAMES: [&[u8]; 8] = [b"", b"\0", b"\0\0", b"\0\x01", b"\x01", b"a", b"\xff", b"\xff\xff"];

async fn names_may_be_any_bytes<S: Store>(store: &S) -> Checked {
    let writes = NAMES.iter().map(|name| put(name, name)).collect::<Result<Vec<_>, _>>()?;
    commit(store, vec![], writes, 1).await;
    let rows = read(store, &NAMES).await?;
    rule(rows == NAMES.map(|name| row(1, name)), "names of any bytes name rows of their own")?;
    let (found, _) = scan(store, &[1], &[2], 100).await?;
    let names = NAMES.iter().map(|name| key(name)).collect::<Result<Vec<_>, _>>()?;
    rule(found == names, "keys are sorted as bytes")
}

async fn scans_are_sorted_and_bounded<S: Store>(store: &S) -> Checked {
    let writes = [7, 3, 5, 9].into_iter().map(|name| put(&[name], b"")).collect::<Result<Vec<_>, _>>()?;
    commit(store, vec![], writes, 1).await;
    let (found, _) = scan(store, &[1, 3], &[1, 9], 2).await?;
    rule(found == [key(&[3])?, key(&[5])?], "a scan returns the first keys within its bounds, in order")?;
    let (found, _) = scan(store, &[1, 3], &[1, 9], 100).await?;
    rule(found == [key(&[3])?, key(&[5])?, key(&[7])?], "a scan's first key is included, its end is not")?;
    let (found, _) = scan(store, &[1, 3, 0], &[1, 7, 0], 100).await?;
    rule(found == [key(&[5])?, key(&[7])?], "a scan's bounds need not be keys that exist")?;
    for (first, end, limit) in
        [([1, 5], [1, 5], 9), ([1, 9], [1, 3], 9), ([1, 3], [1, 9], 0), ([2, 0], [3, 0], 9)]
    {
        let (found, _) = scan(store, &first, &end, limit).await?;
        rule(found.is_empty(), "a scan of nothing finds nothing")?;
    }
    Ok(())
}

async fn deleted_rows_are_not_found<S: Store>(store: &S) -> Checked {
    let names = 0..200_u8;
    let writes = names.clone().map(|name| put(&[name], b"")).collect::<Result<Vec<_>, _>>()?;
    commit(store, vec![], writes, 1).await;
    let writes =
        names.filter(|name| *name != 150).map(|name| delete(&[name])).collect::<Result<Vec<_>, _>>()?;
    commit(store, vec![], writes, 2).await;
    let (found, _) = scan(store, &[1], &[2], 1).await?;
    rule(found == [key(&[150])?], "a scan passes over what is deleted")
}

/// How many tasks commit at the same time, and how often each.
const TASKS: u8 = 16;
const TURNS: u8 = 8;

/// One of the commits that tasks make at the same time.
#[derive(Clone, Copy)]
struct Turn {
    task: u8,
    turn: u8,
}

/// A version that no other task, turn and attempt has.
fn turn_version(Turn { task, turn }: Turn, attempt: u32) -> Version {
    let mut version = [0; 16];
    version[0] = task;
    version[1] = turn;
    version[2..6].copy_from_slice(&attempt.to_be_bytes());
    Version(version)
}

/// Expectations that rows are still as they were read.
fn as_read(names: &[&[u8]], rows: &[Content]) -> Result<Vec<Expectation>, Nonconformance> {
    let version = |row: &Content| row.as_ref().map(|(version, _)| *version);
    let expect = names.iter().zip(rows);
    expect.map(|(name, row)| Ok(Expectation { key: key(name)?, version: version(row) })).collect()
}

/// Reads rows, writes all of them as `change` says, and tries again after a conflict.
async fn update<S: Store>(
    store: &S,
    names: &[&[u8]],
    turn: Turn,
    change: impl Fn(&[Content]) -> Vec<Vec<u8>>,
) -> Checked {
    for attempt in 0.. {
        let rows = read(store, names).await?;
        let expect = as_read(names, &rows)?;
        let writes = names.iter().zip(change(&rows)).map(|(name, content)| put(name, &content));
        let writes = writes.collect::<Result<Vec<_>, _>>()?;
        let version = turn_version(turn, attempt);
        match store.commit(Commit { expect, writes, version }).await {
            Settlement::Committed => return Ok(()),
            Settlement::Conflict => tokio::task::yield_now().await,
            Settlement::Unknown => {
                return Err(Nonconformance::Rule("a sound store knows what became of a commit"));
            }
        }
    }
    Ok(())
}

fn number(content: &Content) -> u64 {
    let bytes = content.as_ref().and_then(|(_, bytes)| bytes.as_slice().try_into().ok());
    bytes.map_or(0, u64::from_be_bytes)
}

/// Runs `TASKS` tasks at the same time, on several threads where the runtime has them.
async fn together<S, F>(store: &Arc<S>, work: impl Fn(Arc<S>, u8) -> F) -> Checked
where
    F: Future<Output = Checked> + Send + 'static,
{
    let tasks = (0..TASKS).map(|task| tokio::spawn(work(Arc::clone(store), task)));
    for ended in join_all(tasks).await {
        ended.map_err(|_| Nonconformance::Rule("a store does not panic"))??;
    }
    Ok(())
}

async fn no_update_is_lost<S: Store>(store: Arc<S>) -> Checked {
    let work = |store: Arc<S>, task| async move {
        for turn in 0..TURNS {
            let increment = |rows: &[Content]| vec![(number(&rows[0]) + 1).to_be_bytes().to_vec()];
            update(&*store, &[b"count"], Turn { task, turn }, increment).await?;
        }
        Ok(())
    };
    together(&store, work).await?;
    let count = number(&read(&*store, &[b"count"]).await?[0]);
    rule(count == u64::from(TASKS) * u64::from(TURNS), "no commit over a contended row is lost")
}

const PAIR: [&[u8]; 2] = [b"one", b"two"];

fn sum(rows: &[Content]) -> u64 {
    rows.iter().map(number).fold(0, u64::wrapping_add)
}

async fn rows_of_one_commit_agree<S: Store>(store: Arc<S>) -> Checked {
    let work = |store: Arc<S>, task: u8| async move {
        for turn in 0..TURNS {
            // From one row to the other: their sum stays zero.
            let transfer = |rows: &[Content]| {
                let moved = u64::from(task) + 1;
                let sums = [number(&rows[0]).wrapping_add(moved), number(&rows[1]).wrapping_sub(moved)];
                sums.map(|sum| sum.to_be_bytes().to_vec()).to_vec()
            };
            update(&*store, &PAIR, Turn { task, turn }, transfer).await?;
            let rows = read(&*store, &PAIR).await?;
            let expect = as_read(&PAIR, &rows)?;
            let version = turn_version(Turn { task, turn }, 0);
            let confirmed = store.commit(Commit { expect, writes: Vec::new(), version }).await;
            let agree = confirmed != Settlement::Committed || sum(&rows) == 0;
            rule(agree, "what a commit confirms was so at one moment")?;
        }
        Ok(())
    };
    together(&store, work).await?;
    rule(sum(&read(&*store, &PAIR).await?) == 0, "rows that are written together agree")
}

async fn commits_apart_all_apply<S: Store>(store: &S) -> Checked {
    let commits = (0..=255).map(async |name| {
        commit(store, vec![expect(&[name], None)?], vec![put(&[name], &[name])?, delete(b"none")?], name)
            .await
            .eq(&Settlement::Committed)
            .then_some(())
            .ok_or(Nonconformance::Rule("commits over different rows do not conflict"))
    });
    for applied in join_all(commits).await {
        applied?;
    }
    for name in 0..=255 {
        rule(read(store, &[&[name]]).await? == [row(name, &[name])], "commits at the same time all apply")?;
    }
    Ok(())
}
