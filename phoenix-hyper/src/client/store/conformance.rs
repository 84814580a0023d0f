//! A suite that says what every client store must do. Run [`check`] over your own store.
//!
//! The suite does not stop the process or the machine in the middle of a save; test that by other means.

use std::collections::BTreeMap;

use phoenix_core::client::{RecordChange, StoredRecord};

use super::interface::{ClientStore, ClientStoreError};

/// A rule that a client store breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Nonconformance {
    /// The store could not be opened, read or written.
    #[error(transparent)]
    Store(#[from] ClientStoreError),
    /// The store did not do what this rule says.
    #[error("the client store breaks a rule: {0}")]
    Rule(&'static str),
}

/// Stores of the make under test.
pub trait Harness {
    /// Where a store is, a directory for example.
    type Place;
    /// The store.
    type Store: ClientStore;

    /// Returns a new place, at which no store has been opened before.
    fn place(&self) -> Self::Place;

    /// Opens the store at a place, and creates it at a new one.
    ///
    /// # Errors
    /// [`ClientStoreError`].
    fn open(&self, place: &Self::Place) -> Result<Self::Store, ClientStoreError>;

    /// Returns the bytes of all files at a place; `None` if the store keeps no files. Called while no store
    /// is open there.
    fn files(&self, place: &Self::Place) -> Option<Vec<u8>>;
}

type Checked = Result<(), Nonconformance>;

/// The records of a store by their names.
type Records = BTreeMap<Vec<u8>, Vec<u8>>;

/// Checks a store.
///
/// # Errors
/// [`Nonconformance`] names the first rule that the store breaks.
pub fn check<H: Harness>(harness: &H) -> Checked {
    new_stores_are_empty(harness)?;
    saves_are_loaded(harness)?;
    later_changes_win(harness)?;
    deleted_records_are_absent(harness)?;
    names_and_contents_may_be_any_bytes(harness)?;
    records_may_be_large(harness)?;
    saves_may_be_large(harness)?;
    any_saves_add_up(harness)?;
    what_is_replaced_is_gone(harness)?;
    one_client_has_a_place(harness)
}

/// Bytes of a large record.
const LARGE: usize = 1 << 20;

fn rule(holds: bool, rule: &'static str) -> Checked {
    if holds { Ok(()) } else { Err(Nonconformance::Rule(rule)) }
}

fn put(name: &[u8], content: &[u8]) -> RecordChange {
    RecordChange { name: name.to_vec(), content: Some(content.to_vec()) }
}

fn delete(name: &[u8]) -> RecordChange {
    RecordChange { name: name.to_vec(), content: None }
}

fn records<const N: usize>(records: [(&[u8], &[u8]); N]) -> Records {
    records.into_iter().map(|(name, content)| (name.to_vec(), content.to_vec())).collect()
}

fn load(store: &mut impl ClientStore) -> Result<Records, Nonconformance> {
    let mut records = Records::new();
    for StoredRecord { name, content } in store.load()? {
        rule(records.insert(name, content).is_none(), "a load returns each record once")?;
    }
    Ok(records)
}

/// Checks what an open store returns, and what it returns when it is opened again.
fn assert_records<H: Harness>(
    harness: &H,
    place: &H::Place,
    mut store: H::Store,
    expected: &Records,
) -> Result<H::Store, Nonconformance> {
    rule(load(&mut store)? == *expected, "a load returns exactly what was saved")?;
    drop(store);
    let mut store = harness.open(place)?;
    rule(load(&mut store)? == *expected, "a store opened again returns exactly what was saved")?;
    Ok(store)
}

fn new_stores_are_empty<H: Harness>(harness: &H) -> Checked {
    let (one, other) = (harness.place(), harness.place());
    let mut store = harness.open(&one)?;
    rule(load(&mut store)?.is_empty(), "a new store is empty")?;
    store.save(&[])?;
    let mut store = assert_records(harness, &one, store, &Records::new())?;
    store.save(&[put(b"name", b"content")])?;
    let mut apart = harness.open(&other)?;
    rule(load(&mut apart)?.is_empty(), "stores at two places have nothing in common")
}

fn saves_are_loaded<H: Harness>(harness: &H) -> Checked {
    let place = harness.place();
    let mut store = harness.open(&place)?;
    store.load()?;
    store.save(&[put(b"1", b"one"), put(b"2", b"two")])?;
    let mut store = assert_records(harness, &place, store, &records([(b"1", b"one"), (b"2", b"two")]))?;
    store.save(&[delete(b"1"), put(b"3", b"three"), put(b"2", b"second")])?;
    assert_records(harness, &place, store, &records([(b"2", b"second"), (b"3", b"three")]))?;
    Ok(())
}

fn later_changes_win<H: Harness>(harness: &H) -> Checked {
    let place = harness.place();
    let mut store = harness.open(&place)?;
    store.load()?;
    for turn in 0..10_u8 {
        store.save(&[put(b"1", &[turn; 50])])?;
    }
    store.save(&[put(b"2", b"earlier"), put(b"2", b"later"), put(b"3", b"gone"), delete(b"3")])?;
    store.save(&[delete(b"4"), put(b"4", b"back")])?;
    let expected = records([(b"1", &[9; 50]), (b"2", b"later"), (b"4", b"back")]);
    assert_records(harness, &place, store, &expected)?;
    Ok(())
}

fn deleted_records_are_absent<H: Harness>(harness: &H) -> Checked {
    let place = harness.place();
    let mut store = harness.open(&place)?;
    store.load()?;
    store.save(&[put(b"1", b"one"), put(b"2", b"two"), delete(b"none")])?;
    store.save(&[delete(b"1"), delete(b"1")])?;
    let mut store = assert_records(harness, &place, store, &records([(b"2", b"two")]))?;
    store.save(&[put(b"1", b"again"), delete(b"2")])?;
    let mut store = assert_records(harness, &place, store, &records([(b"1", b"again")]))?;
    store.save(&[delete(b"1")])?;
    assert_records(harness, &place, store, &Records::new())?;
    Ok(())
}

fn names_and_contents_may_be_any_bytes<H: Harness>(harness: &H) -> Checked {
    let place = harness.place();
    let mut store = harness.open(&place)?;
    store.load()?;
    let names: [&[u8]; 8] = [b"", b"\0", b"\0\0", b"a", b"A", b"\xff", b"'\"; --", &[7; 255]];
    let changes: Vec<RecordChange> = names.iter().map(|name| put(name, name)).collect();
    store.save(&changes)?;
    let expected = names.iter().map(|name| (name.to_vec(), name.to_vec())).collect();
    assert_records(harness, &place, store, &expected)?;
    Ok(())
}

fn records_may_be_large<H: Harness>(harness: &H) -> Checked {
    let place = harness.place();
    let mut store = harness.open(&place)?;
    store.load()?;
    let large: Vec<u8> = (0..LARGE).map(|place| (place % 251) as u8).collect();
    store.save(&[put(b"1", &large), put(b"2", b"small")])?;
    let mut store = assert_records(harness, &place, store, &records([(b"1", &large), (b"2", b"small")]))?;
    store.save(&[put(b"1", b"small"), put(b"2", &large)])?;
    assert_records(harness, &place, store, &records([(b"1", b"small"), (b"2", &large)]))?;
    Ok(())
}

fn saves_may_be_large<H: Harness>(harness: &H) -> Checked {
    let place = harness.place();
    let mut store = harness.open(&place)?;
    store.load()?;
    let name = |number: u32| number.to_be_bytes();
    let changes: Vec<_> = (0..20_000).map(|number| put(&name(number), &name(number))).collect();
    store.save(&changes)?;
    let expected = (0..20_000).map(|number| (name(number).to_vec(), name(number).to_vec())).collect();
    let mut store = assert_records(harness, &place, store, &expected)?;
    let changes: Vec<_> = (0..20_000).map(|number| delete(&name(number))).collect();
    store.save(&changes)?;
    assert_records(harness, &place, store, &Records::new())?;
    Ok(())
}

/// Pseudo-random numbers.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB) % limit
    }

    /// A save of some changes. Each content is of a size of its own, and made of the mark of a number that
    /// no other content has.
    fn changes(&mut self, number: &mut u32) -> Vec<RecordChange> {
        let count = 1 + self.below(30);
        let changes = (0..count).map(|_| {
            let name = [self.below(200) as u8; 32];
            if self.below(4) == 0 {
                return delete(&name);
            }
            *number += 1;
            let limit = [100, 1000, 10_000][self.below(3) as usize];
            let copies = 1 + self.below(limit) as usize / 16;
            put(&name, &mark(*number).repeat(copies))
        });
        changes.collect()
    }
}

/// What a content consists of: this between two copies of a number, again and again.
const MARK: [u8; 8] = *b" content";

fn mark(number: u32) -> Vec<u8> {
    let number = number.to_be_bytes();
    [&number, MARK.as_slice(), &number].concat()
}

/// The numbers of the marks in `bytes`. Marks that a file has in two parts are passed over.
fn marks(bytes: &[u8]) -> impl Iterator<Item = u32> + '_ {
    bytes.windows(4 + MARK.len() + 4).filter_map(|window| {
        let (number, rest) = window.split_first_chunk()?;
        (rest.strip_prefix(&MARK)? == number).then(|| u32::from_be_bytes(*number))
    })
}

fn apply(records: &mut Records, changes: &[RecordChange]) {
    for RecordChange { name, content } in changes {
        match content {
            Some(content) => _ = records.insert(name.clone(), content.clone()),
            None => _ = records.remove(name),
        }
    }
}

fn any_saves_add_up<H: Harness>(harness: &H) -> Checked {
    let place = harness.place();
    let mut store = harness.open(&place)?;
    store.load()?;
    let (mut draw, mut number, mut expected) = (Draw(1), 0, Records::new());
    for turn in 1..=60 {
        let changes = draw.changes(&mut number);
        store.save(&changes)?;
        apply(&mut expected, &changes);
        if turn % 10 == 0 {
            store = assert_records(harness, &place, store, &expected)?;
        }
    }
    Ok(())
}

fn what_is_replaced_is_gone<H: Harness>(harness: &H) -> Checked {
    let place = harness.place();
    let (mut draw, mut number, mut expected) = (Draw(2), 0, Records::new());
    for _ in 0..10 {
        let mut store = harness.open(&place)?;
        store.load()?;
        for _ in 0..15 {
            let changes = draw.changes(&mut number);
            store.save(&changes)?;
            apply(&mut expected, &changes);
        }
        drop(store);
        let Some(files) = harness.files(&place) else { return Ok(()) };
        let present = |content: &Vec<u8>| marks(content).next();
        let present: Vec<u32> = expected.values().filter_map(present).collect();
        let gone = marks(&files).all(|number| present.contains(&number));
        rule(gone, "what a record held before is in no file")?;
    }
    Ok(())
}

/// Either a second store cannot be opened or loaded, or the first cannot save from then on.
fn one_client_has_a_place<H: Harness>(harness: &H) -> Checked {
    let place = harness.place();
    let mut first = harness.open(&place)?;
    first.load()?;
    first.save(&[put(b"1", b"first")])?;
    let second = harness.open(&place).and_then(|mut second| second.load().map(|_| second));
    match second {
        Err(ClientStoreError::InUse { .. }) => first.save(&[put(b"2", b"first")])?,
        Err(error) => return Err(error.into()),
        Ok(mut second) => {
            second.save(&[put(b"2", b"second")])?;
            let refused = first.save(&[put(b"3", b"first")]);
            let refused = matches!(refused, Err(ClientStoreError::InUse { .. }));
            rule(refused, "of two stores at one place, one is refused")?;
        }
    }
    drop(first);
    let found = load(&mut harness.open(&place)?)?;
    rule(found.len() == 2, "a place is free again when its store is dropped")
}
