//! The client store on disk when its process is killed in the middle of a save, and when there is no space:
//! it holds all saves up to one, and nothing of what they replaced.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
};

use phoenix_core::client::RecordChange;
use phoenix_hyper::client::store::{ClientStore, ClientStoreError, SqliteClientStore};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;

/// The directory of the store, set for child processes only.
const DIRECTORY: &str = "CLIENT_STORE_CRASH_DIRECTORY";

const ROUNDS: u64 = 20;

/// The records of a store by their names.
type Records = BTreeMap<Vec<u8>, Vec<u8>>;

/// The record that says which save was the last.
const LAST: &[u8] = b"last";

fn open(directory: &Path) -> Result<SqliteClientStore, ClientStoreError> {
    SqliteClientStore::open(&directory.join("client"))
}

fn load(store: &mut SqliteClientStore) -> Records {
    store.load().unwrap().into_iter().map(|record| (record.name, record.content)).collect()
}

/// The number of the last save.
fn last(records: &Records) -> u64 {
    records.get(LAST).map_or(0, |last| u64::from_be_bytes(last[..8].try_into().unwrap()))
}

/// A pseudo-random number below `limit`, for each save and purpose another one.
fn draw(save: u64, purpose: u64, limit: u64) -> u64 {
    let mixed = (save << 20 | purpose).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB) % limit
}

/// What a content consists of: this between two copies of the number of the save, again and again.
const MARK: [u8; 8] = *b" content";

/// The changes of a save: some records written and deleted, with contents of which no two saves have the
/// same.
fn changes(save: u64) -> Vec<RecordChange> {
    let mark = [&save.to_be_bytes(), MARK.as_slice(), &save.to_be_bytes()].concat();
    let mut changes = vec![RecordChange { name: LAST.to_vec(), content: Some(mark.clone()) }];
    for number in 0..1 + draw(save, 0, 12) {
        let name = vec![draw(save, 3 * number + 1, 100) as u8; 32];
        let copies = match draw(save, 3 * number + 2, 20) {
            0 => 4000,
            1..10 => draw(save, 3 * number + 3, 200),
            _ => draw(save, 3 * number + 3, 20),
        };
        let content = (draw(save, 3 * number + 4, 4) > 0).then(|| mark.repeat(copies as usize));
        changes.push(RecordChange { name, content });
    }
    changes
}

fn apply(records: &mut Records, save: u64) {
    for RecordChange { name, content } in changes(save) {
        match content {
            Some(content) => _ = records.insert(name, content),
            None => _ = records.remove(&name),
        }
    }
}

/// The numbers of the saves that `bytes` contain marks of.
fn marks(bytes: &[u8]) -> BTreeSet<u64> {
    let marks = bytes.windows(8 + MARK.len() + 8).filter_map(|window| {
        let (number, rest) = window.split_first_chunk()?;
        (rest.strip_prefix(&MARK)? == number).then(|| u64::from_be_bytes(*number))
    });
    marks.collect()
}

fn marks_of_files(directory: &Path) -> BTreeSet<u64> {
    fs::read_dir(directory)
        .unwrap()
        .flat_map(|file| marks(&fs::read(file.unwrap().path()).unwrap()))
        .collect()
}

fn marks_of(records: &Records) -> BTreeSet<u64> {
    records.values().flat_map(|content| marks(content)).collect()
}

#[test]
#[ignore = "a process that another test kills"]
fn saves_until_killed() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let mut store = open(Path::new(&directory)).unwrap();
    let mut save = last(&load(&mut store));
    loop {
        save += 1;
        store.save(&changes(save)).unwrap();
        let mut output = std::io::stdout().lock();
        writeln!(output, "{save}").unwrap();
        output.flush().unwrap();
    }
}

/// Runs the test `name` of this binary in a process of its own.
fn child(name: &str, directory: &Path) -> Child {
    // Exceeding the limit of a file must be an error, not end the process.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--ignored", "--nocapture"]);
    command.env(DIRECTORY, directory).stdout(Stdio::piped()).spawn().unwrap()
}

/// Kills a child after some saves. Returns the last that it acknowledged.
fn acknowledged(directory: &Path, saves: u64) -> u64 {
    let mut child = child("saves_until_killed", directory);
    let (mut count, mut last) = (0, 0);
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        // Lines of the test harness, and a last line that was cut short, are no numbers or smaller.
        let Ok(save) = line.unwrap().parse::<u64>() else { continue };
        last = save.max(last);
        count += 1;
        if count == 1 {
            let error = open(directory).map(|_| ()).unwrap_err();
            assert!(matches!(error, ClientStoreError::InUse { .. }), "{error}");
        }
        if count == saves {
            child.kill().unwrap();
        }
    }
    assert!(count >= saves, "the child ended by itself");
    assert!(!child.wait().unwrap().success());
    last
}

#[test]
fn a_killed_process_leaves_all_saves_up_to_one_and_nothing_that_they_replaced() {
    let directory = TempDir::new().unwrap();
    let directory = directory.path();
    let (mut records, mut known) = (Records::new(), 0);
    for round in 0..ROUNDS {
        let acknowledged = acknowledged(directory, 1 + draw(round, 0, 60));
        (known + 1..=acknowledged).for_each(|save| apply(&mut records, save));
        let mut next = records.clone();
        apply(&mut next, acknowledged + 1);
        // Before anything is restored: the journal may still hold the contents before the save under way.
        let either = &marks_of(&records) | &marks_of(&next);
        let beyond: Vec<u64> = marks_of_files(directory).difference(&either).copied().collect();
        assert!(beyond.is_empty(), "{beyond:?} were replaced before save {acknowledged}");

        let mut store = open(directory).unwrap();
        let found = load(&mut store);
        drop(store);
        known = last(&found);
        assert!(known == acknowledged || known == acknowledged + 1, "{known} after {acknowledged}");
        if known > acknowledged {
            records = next;
        }
        assert!(found == records, "save {known} is there as a whole");
        assert_eq!(marks_of_files(directory), marks_of(&records));
    }
    assert!(known > 10 * ROUNDS, "{known}");
}

#[test]
#[ignore = "a process that another test starts"]
fn meets_the_end_of_space() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let directory = Path::new(&directory);
    let mut store = open(directory).unwrap();
    let mut records = load(&mut store);
    let free = getrlimit(Resource::Fsize);
    // From now on, files can grow to this size.
    setrlimit(Resource::Fsize, Rlimit { current: Some(300_000), maximum: free.maximum }).unwrap();
    let mut save = 0;
    let failure = loop {
        match store.save(&changes(save + 1)) {
            Ok(()) => save += 1,
            Err(failure) => break failure,
        }
        apply(&mut records, save);
    };
    assert!(save > 5, "there was some space");
    assert!(matches!(failure, ClientStoreError::Full { .. } | ClientStoreError::Failed { .. }), "{failure}");
    setrlimit(Resource::Fsize, free).unwrap();
    assert_eq!(store.save(&changes(save + 1)), Err(failure), "a store that has failed saves nothing more");
    drop(store);

    let mut store = open(directory).unwrap();
    let mut next = records.clone();
    apply(&mut next, save + 1);
    let found = load(&mut store);
    assert!(found == records || found == next);
    store.save(&changes(save + 1)).unwrap();
    assert!(load(&mut store) == next);
}

#[test]
fn without_space_saves_fail_and_with_space_the_store_opens_again() {
    let directory = TempDir::new().unwrap();
    let output = child("meets_the_end_of_space", directory.path()).wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}
