//! The oracles that look at commits, with commits made by hand: each rule is broken once.

use phoenix_core::{
    codec::encode,
    config::Config,
    identifiers::{Domain, GroupUuid, LogId, QsClientId, StreamName},
    keys::ServiceKeys,
    operation::{Effect, Timer},
    rng::Random,
    store::{Commit, Key, Protection, RecordKind, Version, Write},
    time::Timestamp,
};

use super::{
    Violation,
    change::Change,
    counted,
    effects::{Effects, Served},
    kept,
    repaired::Repaired,
    rows::{Homeserver, Rows},
    secrecy::Secrecy,
    waiting,
};
use crate::{disk::Disk, node::OperationId};

/// When everything here happens.
const START: Timestamp = Timestamp::from_milliseconds(1_800_000_000_000);

/// A homeserver with its store.
struct Store {
    rows: Rows,
    keys: ServiceKeys,
    disk: Disk,
    random: Random,
    secrecy: Secrecy,
}

/// A row to write: its kind, its name, and its record; or to delete.
type Wanted = (RecordKind, Vec<u8>, Option<Vec<u8>>);

impl Store {
    fn new() -> Self {
        let domain: Domain = "a.example".parse().unwrap();
        let keys = || ServiceKeys::generate(&domain, &mut Random::from_seed([1; 32]), START);
        let homeserver =
            Homeserver { domain: domain.clone(), keys: keys(), config: Config::new(domain.clone()) };
        Self {
            rows: Rows::new(vec![homeserver], None),
            keys: keys(),
            disk: Disk::default(),
            random: Random::from_seed([2; 32]),
            secrecy: Secrecy::default(),
        }
    }

    fn commit(&mut self, wanted: &[Wanted]) -> Commit {
        let writes = wanted.iter().map(|(kind, name, record)| {
            let key = Key::from_bytes(&[&[*kind as u8], &name[..]].concat()).unwrap();
            let sealed = kind.declaration().protection == Protection::ServiceKey;
            let bytes = record.as_ref().map(|record| {
                let content = if sealed {
                    let service_key = &self.keys.service_key;
                    encode(&service_key.seal(&mut self.random, &key.to_bytes(), record).unwrap())
                } else {
                    record.clone()
                };
                [vec![1], content].concat()
            });
            Write { key, bytes }
        });
        Commit { expect: Vec::new(), writes: writes.collect(), version: Version([0; 16]) }
    }

    /// Checks a commit by all oracles, and applies it if they let it through. Returns the name of the oracle
    /// that does not.
    fn apply(&mut self, wanted: &[Wanted]) -> Result<(), &'static str> {
        let commit = self.commit(wanted);
        let Self { rows, disk, secrecy, .. } = self;
        let change = Change::new(rows, 0, disk, &commit);
        let checked = counted::commits(&change, &Repaired::default())
            .and_then(|()| waiting::commits(&change, &Repaired::default()))
            .and_then(|()| kept::commits(&change, START))
            .and_then(|()| secrecy.commits(&change, START));
        checked.map_err(|violation: Violation| violation.oracle)?;
        self.disk.commit(&commit);
        Ok(())
    }
}

fn put(kind: RecordKind, name: &[u8], record: &[u8]) -> Wanted {
    (kind, name.to_vec(), Some(record.to_vec()))
}

fn delete(kind: RecordKind, name: &[u8]) -> Wanted {
    (kind, name.to_vec(), None)
}

fn numbered(name: &[u8], number: u64) -> Vec<u8> {
    [name, &number.to_be_bytes()].concat()
}

const CLIENT: &[u8] = &[7; 16];

/// The head of a queue: entries from `first` to `end`, and the ratchet key of which all bytes are `secret`.
fn head(first: u64, end: u64, secret: u8) -> Wanted {
    let rotated_at = START.milliseconds().to_be_bytes();
    let record =
        [&[0; 4][..], &end.to_be_bytes(), &[secret; 32], &rotated_at, &[9; 32], &first.to_be_bytes()];
    put(RecordKind::FanOutQueue, CLIENT, &record.concat())
}

fn entry(sequence: u64) -> Wanted {
    put(RecordKind::FanOutQueueEntry, &numbered(CLIENT, sequence), &[3])
}

fn no_entry(sequence: u64) -> Wanted {
    delete(RecordKind::FanOutQueueEntry, &numbered(CLIENT, sequence))
}

/// A store with a queue of entries 0 and 1.
fn queue() -> Store {
    let mut store = Store::new();
    let client = put(RecordKind::QsClient, CLIENT, &[]);
    assert_eq!(store.apply(&[client, head(0, 2, 1), entry(0), entry(1)]), Ok(()));
    store
}

#[test]
fn a_queue_has_the_entries_that_its_head_counts() {
    assert_eq!(queue().apply(&[head(0, 3, 2), entry(2)]), Ok(()));
    assert_eq!(queue().apply(&[head(1, 2, 1), no_entry(0)]), Ok(()));
    let wrong: [&[Wanted]; 7] = [
        &[head(0, 3, 2)],
        &[entry(2)],
        &[head(0, 3, 2), entry(2), entry(3)],
        &[head(1, 2, 1)],
        &[no_entry(0)],
        &[head(2, 2, 1), no_entry(0)],
        &[head(0, 4, 2), entry(3)],
    ];
    for wanted in wrong {
        assert_eq!(queue().apply(wanted), Err("counted"), "{wanted:?}");
    }
}

#[test]
fn a_ratchet_key_moves_on_with_each_entry_and_never_comes_again() {
    assert_eq!(queue().apply(&[head(0, 3, 1), entry(2)]), Err("secrecy"), "with the same key");
    assert_eq!(queue().apply(&[head(1, 2, 2), no_entry(0)]), Err("secrecy"), "another key, and no entry");
    let mut store = queue();
    assert_eq!(store.apply(&[head(0, 3, 2), entry(2)]), Ok(()));
    assert_eq!(store.apply(&[head(0, 4, 1), entry(3)]), Err("secrecy"), "a key of the past");
    assert_eq!(store.apply(&[head(0, 2, 3), no_entry(2)]), Err("secrecy"), "the queue goes back");
    let mut kept = head(0, 4, 3);
    kept.2.as_mut().unwrap().extend([1; 32]);
    assert_eq!(store.apply(&[kept, entry(3)]), Err("secrecy"), "a key of the past behind the present one");
}

#[test]
fn a_queue_goes_with_its_client() {
    let mut store = Store::new();
    assert_eq!(store.apply(&[head(0, 1, 1), entry(0)]), Err("kept"));
    assert_eq!(queue().apply(&[delete(RecordKind::QsClient, CLIENT)]), Err("kept"));
}

#[test]
fn a_pool_has_the_packages_that_its_head_names() {
    let head = |next: u64, last: u64| {
        put(RecordKind::KeyPackagePool, CLIENT, &[next.to_be_bytes(), last.to_be_bytes()].concat())
    };
    let package = |number: u64| put(RecordKind::KeyPackage, &numbered(CLIENT, number), &[]);
    let gone = |number: u64| delete(RecordKind::KeyPackage, &numbered(CLIENT, number));
    let pool = || {
        let mut store = Store::new();
        assert_eq!(store.apply(&[head(0, 1), package(0), package(1)]), Ok(()));
        store
    };
    assert_eq!(pool().apply(&[head(1, 1), gone(0)]), Ok(()));
    assert_eq!(pool().apply(&[head(2, 2), gone(0), gone(1), package(2)]), Ok(()));
    let wrong: [&[Wanted]; 4] =
        [&[head(1, 1)], &[gone(1)], &[head(2, 2), gone(0), package(2)], &[head(0, 2)]];
    for wanted in wrong {
        assert_eq!(pool().apply(wanted), Err("counted"), "{wanted:?}");
    }
}

fn log() -> (Vec<u8>, Wanted) {
    let log = LogId::Group(GroupUuid([3; 16]));
    let timer = put(RecordKind::Timer, &encode(&Timer::Distribute(log.clone())), &[0; 8]);
    (encode(&log), timer)
}

#[test]
fn a_log_has_its_timer_while_a_message_waits_and_loses_each_when_it_is_passed() {
    let (name, timer) = log();
    let message = |position: u64| put(RecordKind::FanOutRow, &numbered(&name, position), &[]);
    let gone = |position: u64| delete(RecordKind::FanOutRow, &numbered(&name, position));
    let progress = |position: u64| put(RecordKind::FanOutProgress, &name, &position.to_be_bytes());
    let mut end = timer.clone();
    end.2 = None;
    let waiting = || {
        let mut store = Store::new();
        assert_eq!(store.apply(&[message(0), timer.clone()]), Ok(()));
        assert_eq!(store.apply(&[message(1), timer.clone()]), Ok(()));
        store
    };
    assert_eq!(waiting().apply(&[progress(2), gone(0), gone(1), end.clone()]), Ok(()));
    assert_eq!(waiting().apply(&[progress(1), gone(0), end.clone()]), Err("waiting"));
    assert_eq!(waiting().apply(&[end]), Err("waiting"));
    assert_eq!(Store::new().apply(&[message(0)]), Err("waiting"));
    let wrong: [&[Wanted]; 4] =
        [&[progress(1)], &[gone(0)], &[message(3)], &[progress(2), gone(0), gone(1), message(3)]];
    for wanted in wrong {
        assert_eq!(waiting().apply(wanted), Err("counted"), "{wanted:?}");
    }
}

#[test]
fn a_stream_has_its_timer_while_entries_or_a_skip_wait() {
    let stream = StreamName { destination: "b.example".parse().unwrap(), shard: 0 };
    let name = encode(&stream);
    let end = |next: u64| {
        let chain = [&[1][..], &[0; 8], &[next as u8; 32], &next.to_be_bytes()].concat();
        let began = START.milliseconds().to_be_bytes();
        let record = [&[5; 16][..], &next.to_be_bytes(), &chain, &began, &[0; 24]].concat();
        put(RecordKind::OutboundEnd, &name, &record)
    };
    let start = |first: u64, skips: bool| {
        let skip = if skips { [&[1][..], &[0; 8]].concat() } else { vec![0] };
        let record = [&first.to_be_bytes()[..], &skip, &[0, 0], &[0; 8], &[0; 8]].concat();
        put(RecordKind::OutboundStart, &name, &record)
    };
    let entry = |sequence: u64| put(RecordKind::OutboundEntry, &numbered(&name, sequence), &[0; 16]);
    let gone = |sequence: u64| delete(RecordKind::OutboundEntry, &numbered(&name, sequence));
    let epoch = put(RecordKind::OutboundEpoch, &numbered(&name, 0), &[&[0; 8][..], &[2]].concat());
    let timer = |due: Option<Vec<u8>>| (RecordKind::Timer, encode(&Timer::Deliver(stream.clone())), due);
    let waiting = || {
        let mut store = Store::new();
        let began = [end(1), start(0, false), entry(0), epoch.clone(), timer(Some(vec![0; 8]))];
        assert_eq!(store.apply(&began), Ok(()));
        store
    };
    assert_eq!(waiting().apply(&[start(1, false), gone(0), timer(None)]), Ok(()));
    assert_eq!(waiting().apply(&[start(1, true), gone(0), timer(None)]), Err("waiting"));
    assert_eq!(waiting().apply(&[timer(None)]), Err("waiting"));
    assert_eq!(waiting().apply(&[end(2), entry(1)]), Ok(()));
    let wrong: [&[Wanted]; 4] = [&[start(1, false)], &[gone(0)], &[end(2)], &[entry(1)]];
    for wanted in wrong {
        assert_eq!(waiting().apply(wanted), Err("counted"), "{wanted:?}");
    }
}

#[test]
fn what_an_operation_sets_it_wakes_and_what_it_makes_longer_it_signals() {
    let mut store = Store::new();
    let log = LogId::Group(GroupUuid([3; 16]));
    let timer = Timer::Distribute(log);
    let due = |milliseconds: u64| Timestamp::from_milliseconds(milliseconds);
    let set = put(RecordKind::Timer, &encode(&timer), &5_u64.to_be_bytes());
    let wake = |at: u64| Effect::Wake { timer: timer.clone(), due: due(at) };
    let signal = Effect::Signal(QsClientId([7; 16]));
    let served = Served { machine: 0, start: 1, operation: OperationId(1) };
    let mut done = |wanted: &[Wanted], cause: Option<&Timer>, effects: &[Effect]| {
        let mut oracle = Effects::default();
        oracle.committed(served, &store.commit(wanted));
        oracle.done(served, cause, effects).map_err(|violation| violation.oracle)
    };
    let set = [set];
    assert_eq!(done(&set, None, &[wake(5)]), Ok(()));
    assert_eq!(done(&set, None, &[wake(6)]), Err("effects"), "too late");
    assert_eq!(done(&set, None, &[]), Err("effects"));
    assert_eq!(done(&[], Some(&timer), &[wake(9)]), Ok(()));
    assert_eq!(done(&[], Some(&timer), &[]), Err("effects"), "the timer is not over");
    let end = delete(RecordKind::Timer, &encode(&timer));
    assert_eq!(done(std::slice::from_ref(&end), Some(&timer), &[]), Ok(()));
    assert_eq!(done(&[end.clone(), entry(2)], Some(&timer), &[signal]), Ok(()));
    assert_eq!(done(&[end, entry(2)], Some(&timer), &[]), Err("effects"));
    assert_eq!(done(&[entry(2)], None, &[]), Ok(()), "its owner begins a queue anew");
}
