//! The writing thread: commits in groups, in order.

use std::{
    collections::{HashMap, VecDeque},
    io::{self, ErrorKind},
    mem, thread,
    time::Duration,
};

use phoenix_core::store::{Commit, Expectation, Settlement, Version};
use tokio::sync::{
    mpsc::{self, error::TryRecvError},
    oneshot,
};

use super::{
    engine::{Batch, io_error, value},
    error::OpenError,
    shared::Shared,
};
use crate::store::interface::StoreError;

/// The most commits in a group, so that no commit waits for an endless row of others to join.
const GROUP: usize = 1024;

/// Bytes after which no further commit joins a group.
const GROUP_BYTES: usize = 4 << 20;

/// The number of groups whose writes are remembered. A commit is written with the next group or, under load,
/// a few groups later; the expectations of a commit that waited longer are read again.
const REMEMBERED: usize = 4;

/// Between two attempts to recover, each of which may write as much as a journal holds.
const RETRY: Duration = Duration::from_secs(1);

/// A commit that waits to be written.
pub(super) struct Waiting {
    expect: Vec<Expectation>,
    /// Keys and values as they are stored.
    writes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    version: Version,
    bytes: usize,
    /// Its expectations held after this group.
    seen: u64,
    settled: oneshot::Sender<Settlement>,
}

impl Waiting {
    pub fn new(commit: Commit, seen: u64, settled: oneshot::Sender<Settlement>) -> Self {
        let version = commit.version;
        let writes = commit.writes.into_iter();
        let writes =
            writes.map(|write| (write.key.to_bytes(), write.bytes.map(|bytes| value(version, &bytes))));
        let writes: Vec<_> = writes.collect();
        let bytes = writes.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum();
        Self { expect: commit.expect, writes, version, bytes, seen, settled }
    }

    fn settle(self, settlement: Settlement) {
        // The caller may be gone.
        let _ = self.settled.send(settlement);
    }
}

/// Runs until all handles are dropped and all commits are settled.
pub(super) fn run(shared: &Shared, mut waiting: mpsc::Receiver<Waiting>) {
    let mut recent = Recent::default();
    while let Some(first) = waiting.blocking_recv() {
        let group = gather(first, &mut waiting);
        let Err(error) = write(shared, &mut recent, group) else { continue };
        let recoverable = fail(shared, &error);
        if !recover(shared, recoverable, &mut waiting) {
            return;
        }
        recent = Recent { since: shared.groups(), ..Recent::default() };
    }
}

/// Collects the commits that wait already, `first` first, up to the bounds of a group.
fn gather(first: Waiting, waiting: &mut mpsc::Receiver<Waiting>) -> Vec<Waiting> {
    let mut bytes = first.bytes;
    let mut group = vec![first];
    while group.len() < GROUP && bytes < GROUP_BYTES {
        let Ok(next) = waiting.try_recv() else { break };
        bytes += next.bytes;
        group.push(next);
    }
    group
}

/// Writes the commits of a group whose expectations hold, then settles all. If the write fails, all are
/// settled as unknown: even a conflict may be with a commit that was not written.
fn write(shared: &Shared, recent: &mut Recent, group: Vec<Waiting>) -> Result<(), fjall::Error> {
    let number = shared.groups() + 1;
    let mut batch = Batch::new();
    let mut settled = Vec::with_capacity(group.len());
    for mut waiting in group {
        let settlement = match recent.confirms(shared, &waiting) {
            Ok(true) => {
                recent.note(number, &waiting);
                // A later write to the same key replaces an earlier one.
                batch.extend(mem::take(&mut waiting.writes));
                Settlement::Committed
            }
            Ok(false) => Settlement::Conflict,
            Err(_) => Settlement::Unknown,
        };
        settled.push((waiting, settlement));
    }
    let written = if batch.is_empty() { Ok(()) } else { shared.write(batch) };
    let settlement = |settlement| if written.is_ok() { settlement } else { Settlement::Unknown };
    settled.into_iter().for_each(|(waiting, settled)| waiting.settle(settlement(settled)));
    recent.forget(number);
    written
}

/// What the last groups wrote, the current group included.
#[derive(Default)]
struct Recent {
    /// All writes of later groups are remembered.
    since: u64,
    /// For each row written: the last group that wrote it, and the row's version since.
    rows: HashMap<Vec<u8>, (u64, Option<Version>)>,
    groups: VecDeque<(u64, Vec<Vec<u8>>)>,
}

impl Recent {
    /// Whether a commit's expectations hold after all commits before it.
    fn confirms(&self, shared: &Shared, waiting: &Waiting) -> Result<bool, StoreError> {
        let mut unknown = Vec::new();
        for expectation in &waiting.expect {
            match self.rows.get(&expectation.key.to_bytes()) {
                Some((_, version)) if *version != expectation.version => return Ok(false),
                Some(_) => {}
                // Not written since the caller's check.
                None if waiting.seen >= self.since => {}
                None => unknown.push(expectation.clone()),
            }
        }
        if unknown.is_empty() { Ok(true) } else { shared.confirms(&unknown) }
    }

    fn note(&mut self, group: u64, waiting: &Waiting) {
        if self.groups.back().is_none_or(|(last, _)| *last != group) {
            self.groups.push_back((group, Vec::new()));
        }
        let Some((_, keys)) = self.groups.back_mut() else { return };
        for (key, value) in &waiting.writes {
            self.rows.insert(key.clone(), (group, value.as_ref().map(|_| waiting.version)));
            keys.push(key.clone());
        }
    }

    /// Forgets all but the last [`REMEMBERED`] groups.
    fn forget(&mut self, current: u64) {
        while let Some((group, keys)) =
            self.groups.pop_front_if(|(group, _)| *group + REMEMBERED as u64 <= current)
        {
            for key in keys {
                if self.rows.get(&key).is_some_and(|(last, _)| *last == group) {
                    self.rows.remove(&key);
                }
            }
            self.since = group;
        }
    }
}

/// Records a failure. Returns whether the store can recover from it without a restart.
fn fail(shared: &Shared, error: &fjall::Error) -> bool {
    match io_error(error) {
        Some(error) if is_full(error) => {
            shared.fail(StoreError::Full(error.to_string()));
            true
        }
        // After a failed `fdatasync`, only a new process that reads the files knows what is on disk.
        Some(error) => {
            let reason = format!("writing failed ({error}): restart the process once the disk is sound");
            shared.fail(StoreError::Unavailable(reason));
            false
        }
        // Sorting into files failed; the journal still has all rows.
        None => {
            shared.fail(StoreError::Unavailable(format!("it has stopped writing ({error})")));
            matches!(error, fjall::Error::Poisoned)
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    use ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// Returns `true` once writing is possible again, or `false` once all handles are dropped.
fn recover(shared: &Shared, recoverable: bool, waiting: &mut mpsc::Receiver<Waiting>) -> bool {
    loop {
        loop {
            match waiting.try_recv() {
                Ok(waiting) => waiting.settle(Settlement::Unknown),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        if recoverable {
            match shared.reopen() {
                Ok(()) => return true,
                Err(OpenError::Io { error, .. }) if is_full(&error) => {
                    shared.fail(StoreError::Full(error.to_string()));
                }
                Err(error) => shared.fail(StoreError::Unavailable(error.to_string())),
            }
        }
        thread::park_timeout(RETRY);
    }
}

#[cfg(test)]
mod tests {
    use phoenix_core::store::{Key, Reads, Row, Write};
    use tempfile::TempDir;

    use super::*;
    use crate::store::embedded::settings::EmbeddedSettings;

    fn key(name: u8) -> Key {
        Key::from_bytes(&[1, name]).unwrap()
    }

    /// A commit of `version`, and the receiver of its settlement.
    fn commit(
        seen: u64,
        expect: &[(u8, Option<u8>)],
        writes: &[u8],
        version: u8,
    ) -> (Waiting, oneshot::Receiver<Settlement>) {
        let (settled, settlement) = oneshot::channel();
        let expect = expect.iter().map(|(name, version)| Expectation {
            key: key(*name),
            version: version.map(|version| Version([version; 16])),
        });
        let writes = writes.iter().map(|name| Write { key: key(*name), bytes: Some(vec![version]) });
        let (expect, writes) = (expect.collect(), writes.collect());
        let commit = Commit { expect, writes, version: Version([version; 16]) };
        (Waiting::new(commit, seen, settled), settlement)
    }

    fn settle(
        shared: &Shared,
        recent: &mut Recent,
        group: impl IntoIterator<Item = (Waiting, oneshot::Receiver<Settlement>)>,
    ) -> Vec<Settlement> {
        let (group, mut settlements): (Vec<_>, Vec<_>) = group.into_iter().unzip();
        write(shared, recent, group).unwrap();
        settlements.iter_mut().map(|settlement| settlement.try_recv().unwrap()).collect()
    }

    fn row(shared: &Shared, name: u8) -> Option<Row> {
        shared.read(Reads { keys: vec![key(name)], scans: Vec::new() }).unwrap().rows.remove(0).1
    }

    fn fresh() -> (TempDir, Shared, Recent) {
        let directory = TempDir::new().unwrap();
        let shared = Shared::open(directory.path(), EmbeddedSettings::default()).unwrap();
        (directory, shared, Recent::default())
    }

    #[test]
    fn within_a_group_each_commit_sees_those_before() {
        let (_directory, shared, mut recent) = fresh();
        let group = [
            commit(0, &[(1, None)], &[1], 1),
            commit(0, &[(1, None)], &[1, 2], 2),
            commit(0, &[(1, Some(1)), (2, None)], &[1], 3),
            commit(0, &[(1, Some(1))], &[2], 4),
        ];
        let settled = settle(&shared, &mut recent, group);
        use Settlement::{Committed, Conflict};
        assert_eq!(settled, [Committed, Conflict, Committed, Conflict]);
        assert_eq!(row(&shared, 1), Some(Row { version: Version([3; 16]), bytes: vec![3] }));
        assert_eq!(row(&shared, 2), None);
        assert_eq!(shared.groups(), 1);
    }

    #[test]
    fn changes_since_the_callers_check_are_found_however_long_ago() {
        for between in 0..2 * REMEMBERED as u8 {
            let (_directory, shared, mut recent) = fresh();
            settle(&shared, &mut recent, [commit(0, &[], &[1], 1)]);
            let seen = shared.groups();
            settle(&shared, &mut recent, [commit(seen, &[(1, Some(1))], &[1], 2)]);
            for other in 0..between {
                settle(&shared, &mut recent, [commit(shared.groups(), &[], &[100 + other], 9)]);
            }
            let late = [
                commit(seen, &[(1, Some(1)), (2, None)], &[3], 3),
                commit(seen, &[(1, Some(2)), (2, None)], &[4], 4),
            ];
            let settled = settle(&shared, &mut recent, late);
            assert_eq!(settled, [Settlement::Conflict, Settlement::Committed], "{between} groups between");
            assert!(recent.groups.len() <= REMEMBERED && recent.rows.len() <= REMEMBERED);
        }
    }

    #[test]
    fn groups_are_bounded() {
        let (sender, mut receiver) = mpsc::channel(3 * GROUP);
        for number in 0..2 * GROUP {
            assert!(sender.try_send(commit(0, &[], &[1], number as u8).0).is_ok());
        }
        let first = receiver.blocking_recv().unwrap();
        assert_eq!(gather(first, &mut receiver).len(), GROUP);
        let mut large = commit(0, &[], &[1], 1).0;
        large.bytes = GROUP_BYTES;
        assert_eq!(gather(large, &mut receiver).len(), 1);
    }
}
