//! What every store must do, as a suite: run it over your own.

use phoenix_core::store::{Commit, Expectation, Key, Reads, Scan, Settlement, Version, Write, commit::Rows};

use super::{Store, StoreError};

/// A store does not do what it must.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Nonconformance {
    /// It could not be read at all.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It did something else than the rule says.
    #[error("a store must do otherwise: {0}")]
    Rule(&'static str),
}

/// Checks a store. `open` gives a fresh, empty one each time.
///
/// # Errors
/// The first rule that it breaks.
pub async fn check<S: Store>(open: impl Fn() -> S) -> Result<(), Nonconformance> {
    absent_rows_are_an_answer(&open()).await?;
    commits_apply_whole_or_not_at_all(&open()).await?;
    absence_is_expected_like_presence(&open()).await?;
    every_write_changes_the_version(&open()).await?;
    scans_are_sorted_and_bounded(&open()).await
}

fn rule(holds: bool, rule: &'static str) -> Result<(), Nonconformance> {
    if holds { Ok(()) } else { Err(Nonconformance::Rule(rule)) }
}

/// A key that no record has, in the space of one that has keys of any form.
fn key(name: u8) -> Result<Key, Nonconformance> {
    Key::from_bytes(&[1, name]).ok_or(Nonconformance::Rule("record kind 1 exists"))
}

fn put(name: u8, content: &[u8]) -> Result<Write, Nonconformance> {
    Ok(Write { key: key(name)?, bytes: Some(content.to_vec()) })
}

fn expect(name: u8, version: Option<u8>) -> Result<Expectation, Nonconformance> {
    Ok(Expectation { key: key(name)?, version: version.map(|version| Version([version; 16])) })
}

async fn commit<S: Store>(
    store: &S,
    expect: Vec<Expectation>,
    writes: Vec<Write>,
    version: u8,
) -> Settlement {
    store.commit(Commit { expect, writes, version: Version([version; 16]) }).await
}

async fn read<S: Store>(store: &S, names: &[u8]) -> Result<Vec<Option<(Version, Vec<u8>)>>, Nonconformance> {
    let keys = names.iter().map(|name| key(*name)).collect::<Result<Vec<_>, _>>()?;
    let Rows { rows, .. } = store.read(Reads { keys: keys.clone(), scans: Vec::new() }).await?;
    rule(rows.len() == keys.len(), "a read answers for every key")?;
    let find = |key: &Key| rows.iter().find(|(found, _)| found == key).and_then(|(_, row)| row.clone());
    Ok(keys.iter().map(|key| find(key).map(|row| (row.version, row.bytes))).collect())
}

async fn absent_rows_are_an_answer<S: Store>(store: &S) -> Result<(), Nonconformance> {
    rule(read(store, &[1, 2]).await? == [None, None], "what was never written is absent")
}

async fn commits_apply_whole_or_not_at_all<S: Store>(store: &S) -> Result<(), Nonconformance> {
    let applied = commit(store, vec![], vec![put(1, b"a")?, put(2, b"b")?], 1).await;
    rule(applied == Settlement::Committed, "a commit that expects nothing applies")?;
    let stale = commit(store, vec![expect(1, Some(9))?], vec![put(1, b"x")?, put(3, b"x")?], 2).await;
    rule(stale == Settlement::Conflict, "a commit that expects another version conflicts")?;
    let rows = read(store, &[1, 2, 3]).await?;
    let kept = [Some((Version([1; 16]), b"a".to_vec())), Some((Version([1; 16]), b"b".to_vec())), None];
    rule(rows == kept, "a conflict writes nothing")?;
    let mixed = vec![Write { key: key(2)?, bytes: None }, put(3, b"c")?];
    let applied = commit(store, vec![expect(1, Some(1))?, expect(2, Some(1))?], mixed, 3).await;
    rule(applied == Settlement::Committed, "a commit whose expectations hold applies")?;
    let rows = read(store, &[2, 3]).await?;
    rule(rows == [None, Some((Version([3; 16]), b"c".to_vec()))], "writes and deletions apply together")
}

async fn absence_is_expected_like_presence<S: Store>(store: &S) -> Result<(), Nonconformance> {
    let first = commit(store, vec![expect(1, None)?], vec![put(1, b"a")?], 1).await;
    rule(first == Settlement::Committed, "what is absent is as expected")?;
    let second = commit(store, vec![expect(1, None)?], vec![put(1, b"b")?], 2).await;
    rule(second == Settlement::Conflict, "what is present is not absent")?;
    let gone = commit(store, vec![expect(2, Some(1))?], vec![], 3).await;
    rule(gone == Settlement::Conflict, "what is absent is not present")
}

async fn every_write_changes_the_version<S: Store>(store: &S) -> Result<(), Nonconformance> {
    commit(store, vec![], vec![put(1, b"same")?], 1).await;
    commit(store, vec![], vec![put(1, b"same")?], 2).await;
    let stale = commit(store, vec![expect(1, Some(1))?], vec![], 3).await;
    rule(stale == Settlement::Conflict, "the same content written again is another version")
}

async fn scans_are_sorted_and_bounded<S: Store>(store: &S) -> Result<(), Nonconformance> {
    let writes = [7, 3, 5, 9].into_iter().map(|name| put(name, b"")).collect::<Result<Vec<_>, _>>()?;
    commit(store, vec![], writes, 1).await;
    let scan = Scan { first: vec![1, 3], end: vec![1, 9], limit: 2 };
    let Rows { scans, .. } = store.read(Reads { keys: Vec::new(), scans: vec![scan.clone()] }).await?;
    let [(answered, keys)] = &*scans else {
        return Err(Nonconformance::Rule("a read answers for every scan"));
    };
    rule(*answered == scan, "a scan's answer names the scan")?;
    rule(*keys == [key(3)?, key(5)?], "a scan gives the first keys within its bounds, in order")
}
