//! Stores whose rows say nothing, and the same stores with a leak in each.

use std::path::Path;

use phoenix_core::{
    Random,
    store::{Commit, Key, RecordKind, Settlement, Version, Write},
};
use tempfile::TempDir;

use crate::{
    store::{EmbeddedStore, Store, embedded::EmbeddedSettings},
    thief::{
        cells::{Cell, Link, cells},
        images::{Image, steal},
        view,
        world::truth::{Truth, User},
    },
};

/// The users of a store.
const USERS: usize = 24;

/// What the rows of a user and of its queue have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leak {
    Nothing,
    /// The version tags are equal.
    Tags,
    /// The queue's row has the user's id.
    Name,
    /// Both rows have the same secret of nobody's.
    Bytes,
    /// They are written in one commit.
    Commit,
    /// They are written one after the other.
    Order,
    /// The queue's name follows from the user's.
    Names,
    /// The longer the one row, the longer the other.
    Sizes,
}

/// The name, content and version of a row.
type Row = (RecordKind, Vec<u8>, Vec<u8>, [u8; 16]);

/// Returns the rows of users and of queues, each user's behind each other, and what is true.
fn rows(leak: Leak, random: &mut Random) -> (Vec<[Row; 2]>, Truth) {
    let mut truth = Truth::default();
    let rows = (0..USERS).map(|_| {
        let (user, secret, tag): ([u8; 16], [u8; 16], [u8; 16]) =
            (random.array(), random.array(), random.array());
        let mut queue: [u8; 16] = random.array();
        if leak == Leak::Names {
            queue[..6].copy_from_slice(&user[..6]);
        }
        let content = |random: &mut Random, length: usize| {
            let mut content: Vec<u8> = (0..length).map(|_| random.below(256) as u8).collect();
            if leak == Leak::Bytes {
                content.extend_from_slice(&secret);
            }
            content
        };
        let lengths = match leak {
            Leak::Sizes => [40 + random.below(1000) as usize; 2],
            _ => [100; 2],
        };
        let mut rows = [
            (RecordKind::User, user.to_vec(), content(random, lengths[0]), tag),
            (RecordKind::QsClient, queue.to_vec(), content(random, lengths[1]), tag),
        ];
        if leak != Leak::Tags {
            rows[1].3 = random.array();
        }
        if leak == Leak::Name {
            rows[1].2.extend_from_slice(&user);
        }
        let keys = rows.each_ref().map(|(kind, name, ..)| [&[*kind as u8], &name[..]].concat());
        let [account, queuing] = keys;
        let user =
            User { site: 0, account: vec![account], queuing: Some(queuing), allowances: vec![None; 2] };
        truth.users.push(user);
        rows
    });
    (rows.collect(), truth)
}

/// Returns the commits that write these rows.
fn commits(leak: Leak, rows: Vec<[Row; 2]>, random: &mut Random) -> Vec<Vec<Row>> {
    let mut commits: Vec<Vec<Row>> = match leak {
        Leak::Commit | Leak::Order => rows.into_iter().map(|rows| rows.to_vec()).collect(),
        _ => rows.into_iter().flatten().map(|row| vec![row]).collect(),
    };
    for last in (1..commits.len()).rev() {
        commits.swap(last, random.below(last as u64 + 1) as usize);
    }
    if leak == Leak::Order {
        commits = commits.into_iter().flatten().map(|row| vec![row]).collect();
    }
    commits
}

async fn write(folder: &Path, commits: Vec<Vec<Row>>) {
    let store = EmbeddedStore::open(folder, EmbeddedSettings::default()).unwrap();
    for rows in commits {
        let version = Version(rows[0].3);
        let writes = rows.into_iter().map(|(kind, name, content, _)| {
            let key = Key::from_bytes(&[&[kind as u8], &name[..]].concat()).unwrap();
            Write { key, bytes: Some(content) }
        });
        let commit = Commit { expect: Vec::new(), writes: writes.collect(), version };
        assert_eq!(store.commit(commit).await, Settlement::Committed);
    }
}

/// Returns the cell that links users and queues of a store with this leak.
async fn cell(leak: Leak, seed: u8) -> Cell {
    let folder = TempDir::new().unwrap();
    let mut random = Random::from_seed([seed; 32]);
    let (rows, truth) = rows(leak, &mut random);
    let commits = commits(leak, rows, &mut random);
    write(&folder.path().join("store"), commits).await;
    steal(&folder.path().join("store"), &folder.path().join("image")).unwrap();
    let image = Image::read(&folder.path().join("image")).unwrap();
    let site = view::Site::new(&image, image.end(), &truth, 0, "b.example");
    let cells = cells(&[site], &truth, "one", || {});
    cells.into_iter().find(|cell| cell.link == Link::UserQs).unwrap()
}

/// Two in a hundred such stores look like a leak by chance. These are not among them.
#[tokio::test]
async fn rows_that_say_nothing_are_not_linked() {
    for seed in 1..=3 {
        let cell = cell(Leak::Nothing, seed).await;
        assert!(!cell.is_red() && cell.low < 0.0 && cell.high > 0.0, "{cell:?}");
        assert!(cell.pairs > USERS * USERS / 4, "{cell:?}");
    }
}

#[tokio::test]
async fn equal_version_tags_are_found() {
    let cell = cell(Leak::Tags, 1).await;
    assert_eq!((cell.score, cell.low, cell.co_writing), (1.0, 1.0, false), "{cell:?}");
    assert!(cell.rule.contains("version tags"), "{cell:?}");
}

#[tokio::test]
async fn a_plain_name_is_found() {
    let cell = cell(Leak::Name, 1).await;
    assert_eq!((cell.score, cell.low, cell.co_writing), (1.0, 1.0, false), "{cell:?}");
    assert!(cell.rule.contains("mention both"), "{cell:?}");
}

#[tokio::test]
async fn equal_bytes_are_found() {
    let cell = cell(Leak::Bytes, 1).await;
    assert_eq!((cell.score, cell.low, cell.co_writing), (1.0, 1.0, false), "{cell:?}");
    assert!(cell.rule.contains("equal bytes"), "{cell:?}");
}

/// Rows of one commit have equal version tags as well, so that co-writing is not all that they tell.
#[tokio::test]
async fn what_is_written_in_one_commit_is_found() {
    let cell = cell(Leak::Commit, 1).await;
    assert_eq!((cell.score, cell.low), (1.0, 1.0), "{cell:?}");
}

#[tokio::test]
async fn what_is_written_one_after_the_other_is_found_and_said_to_be_co_writing() {
    let cell = cell(Leak::Order, 1).await;
    assert!(cell.score > 0.9 && cell.is_red() && cell.co_writing, "{cell:?}");
}

#[tokio::test]
async fn names_that_follow_from_each_other_are_found() {
    let cell = cell(Leak::Names, 1).await;
    assert!(cell.score > 0.9 && cell.is_red() && !cell.co_writing, "{cell:?}");
}

#[tokio::test]
async fn rows_of_one_size_are_found() {
    let cell = cell(Leak::Sizes, 1).await;
    assert!(cell.score > 0.8 && cell.is_red() && !cell.co_writing, "{cell:?}");
}
