//! The calling contract, with bodies made for the purpose.

use std::sync::{Arc, Mutex};

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    config::Config,
    error::Refusal,
    homeserver::Homeserver,
    identifiers::Domain,
    keys::ServiceKeys,
    limits::MAX_ATTEMPTS,
    operation::{Ask, Effect, Interrupt, Operation, Outcome, Step, Timer, Transaction},
    rng::Random,
    store::{Commit, Key, MemoryStore, Record, RecordKind, Settlement, Version},
    testing::body::{self, REFUSED, UNAVAILABLE},
    time::Timestamp,
    wire::operations::Service,
};

const NOW: Timestamp = Timestamp::from_milliseconds(1_800_000_000_000);

/// A record like any other.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct Number(u64);

impl Record for Number {
    type Name = u8;
    const KIND: RecordKind = RecordKind::Lease;
}

/// A record that is sealed under the service key.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct Secret(u64);

impl Record for Secret {
    type Name = u8;
    const KIND: RecordKind = RecordKind::DirectQueue;
}

fn operation(
    body: impl Fn(&mut Transaction<'_>) -> Result<Option<Vec<u8>>, Interrupt> + Send + 'static,
) -> Operation {
    let domain: Domain = "example.com".parse().unwrap();
    let keys = ServiceKeys::generate(&domain, &mut Random::from_seed([1; 32]), NOW);
    body::operation(Homeserver::new(Config::new(domain), keys), NOW, [9; 32], body)
}

fn wake() -> Effect {
    Effect::Wake { timer: Timer::Sweep, due: NOW }
}

/// Reads until the operation commits.
fn to_commit(operation: &mut Operation, store: &MemoryStore) -> Commit {
    loop {
        match operation.poll() {
            Step::Read(reads) => operation.supply(store.read(&reads)),
            Step::Commit(commit) => return commit,
            other => panic!("neither read nor commit: {other:?}"),
        }
    }
}

/// Drives to the end, with commits that apply.
fn finish(operation: &mut Operation, store: &mut MemoryStore) -> Outcome {
    let commit = to_commit(operation, store);
    operation.settle(store.apply(&commit));
    let Step::Done(outcome) = operation.poll() else { panic!("settled as committed is done") };
    outcome
}

fn store_with(name: u8, value: u64) -> MemoryStore {
    let mut store = MemoryStore::default();
    let mut operation = operation(move |transaction| {
        transaction.put(&name, &Number(value));
        Ok(None)
    });
    finish(&mut operation, &mut store);
    store
}

fn key(name: u8) -> Key {
    Key::of::<Number>(&name)
}

#[test]
fn a_pass_that_swallows_a_missing_row_counts_for_nothing() {
    let mut operation = operation(|transaction| {
        let seen = transaction.get::<Number>(&1).ok().flatten();
        transaction.put(&2, &Number(seen.map_or(0, |number| number.0)));
        transaction.effect(wake());
        Ok(Some(b"answer".to_vec()))
    });
    let mut store = store_with(1, 42);
    let Step::Read(reads) = operation.poll() else { panic!("the row must be read first") };
    assert_eq!(reads.keys, [key(1)]);
    operation.supply(store.read(&reads));
    let commit = to_commit(&mut operation, &store);
    assert_eq!(commit.writes.len(), 1);
    operation.settle(store.apply(&commit));
    let Step::Done(outcome) = operation.poll() else { panic!("done") };
    assert_eq!((outcome.reply, outcome.effects), (Some(b"answer".to_vec()), vec![wake()]));
    assert_eq!(store.get(&key(2)).unwrap().bytes[1..], 42_u64.to_be_bytes());
}

#[test]
fn a_poisoned_pass_reads_and_asks_no_more() {
    let mut operation = operation(|transaction| {
        let _ = transaction.get::<Number>(&1);
        let _ = transaction.get::<Number>(&2);
        let ask = Ask { domain: "b.example".parse().unwrap(), service: Service::Queuing, request: vec![] };
        let _ = transaction.ask_peer(ask);
        Err(Refusal::NotFound.into())
    });
    let Step::Read(reads) = operation.poll() else { panic!("the first interrupt counts, not the refusal") };
    assert_eq!(reads.keys, [key(1)]);
}

#[test]
fn a_damaged_row_refuses_even_where_the_body_does_not_care() {
    let mut store = store_with(1, 1);
    store.get_mut(&key(1)).unwrap().bytes = vec![1, 2, 3];
    let mut operation = operation(|transaction| {
        let _ = transaction.get::<Number>(&1);
        transaction.put(&2, &Number(1));
        Ok(Some(b"answer".to_vec()))
    });
    let before = store.clone();
    assert_eq!(finish(&mut operation, &mut store).reply, Some(REFUSED.to_vec()));
    assert_eq!(store, before);
}

type Drawn = Arc<Mutex<Vec<[u8; 16]>>>;

/// Draws, then reads in two rounds, then seals a row.
fn drawing(drawn: &Drawn) -> Operation {
    let drawn = Arc::clone(drawn);
    operation(move |transaction| {
        drawn.lock().unwrap().push(transaction.random().array());
        transaction.get::<Number>(&1)?;
        transaction.get::<Number>(&2)?;
        transaction.put(&3, &Secret(7));
        Ok(None)
    })
}

#[test]
fn randomness_is_the_same_over_restarts_and_fresh_in_every_attempt() {
    let drawn = Drawn::default();
    let mut operation = drawing(&drawn);
    let store = MemoryStore::default();
    let mut commits = vec![to_commit(&mut operation, &store)];
    for settlement in [Settlement::Conflict, Settlement::Unknown] {
        operation.settle(settlement);
        commits.push(to_commit(&mut operation, &store));
    }
    let drawn = drawn.lock().unwrap();
    assert_eq!(drawn.len(), 9, "three passes in each of three attempts");
    for attempt in drawn.chunks(3) {
        assert!(attempt.iter().all(|draw| *draw == attempt[0]));
    }
    let (first, second, third) = (drawn[0], drawn[3], drawn[6]);
    assert!(first != second && second != third && first != third);
    for (one, other) in [(0, 1), (1, 2), (0, 2)] {
        assert_ne!(commits[one].version, commits[other].version);
        assert_ne!(commits[one].writes, commits[other].writes, "sealed afresh");
    }
}

#[test]
fn the_same_seed_time_and_rows_give_the_same_commit() {
    let store = MemoryStore::default();
    let first = to_commit(&mut drawing(&Drawn::default()), &store);
    assert_eq!(first, to_commit(&mut drawing(&Drawn::default()), &store));
}

#[test]
fn a_commit_expects_all_that_was_read_absences_too_but_not_what_was_peeked_at() {
    let store = store_with(1, 42);
    let mut operation = operation(|transaction| {
        assert_eq!(transaction.get::<Number>(&1)?, Some(Number(42)));
        assert_eq!(transaction.get::<Number>(&2)?, None);
        transaction.load([key(4)])?;
        transaction.snapshot().get::<Number>(&3)?;
        transaction.put(&5, &Number(1));
        Ok(None)
    });
    let commit = to_commit(&mut operation, &store);
    let expected: Vec<(Key, Option<Version>)> =
        commit.expect.iter().map(|expectation| (expectation.key.clone(), expectation.version)).collect();
    let version = store.get(&key(1)).unwrap().version;
    assert_eq!(expected, [(key(1), Some(version)), (key(2), None), (key(4), None)]);
}

#[test]
fn what_a_pass_reads_back_is_what_it_wrote() {
    let mut store = store_with(1, 42);
    let mut operation = operation(|transaction| {
        transaction.put(&1, &Number(43));
        assert_eq!(transaction.get::<Number>(&1)?, Some(Number(43)));
        transaction.delete::<Number>(&1);
        assert_eq!(transaction.get::<Number>(&1)?, None);
        Ok(None)
    });
    finish(&mut operation, &mut store);
    assert_eq!(store.get(&key(1)), None);
}

#[test]
fn what_is_kept_survives_a_refusal_and_nothing_else_does() {
    let mut store = MemoryStore::default();
    let mut operation = operation(|transaction| {
        transaction.get::<Number>(&1)?;
        transaction.put(&1, &Number(1));
        transaction.effect(wake());
        transaction.savepoint();
        transaction.put(&1, &Number(2));
        transaction.put(&2, &Number(2));
        transaction.effect(Effect::Wake { timer: Timer::Sweep, due: Timestamp::default() });
        Err(Refusal::NotFound.into())
    });
    let outcome = finish(&mut operation, &mut store);
    assert_eq!((outcome.reply, outcome.effects), (Some(REFUSED.to_vec()), vec![wake()]));
    assert_eq!(store.get(&key(1)).unwrap().bytes[1..], 1_u64.to_be_bytes());
    assert_eq!(store.get(&key(2)), None);
}

#[test]
fn a_refusal_too_is_committed_over_what_it_was_decided_on() {
    let mut store = MemoryStore::default();
    let mut operation = operation(|transaction| match transaction.get::<Number>(&1)? {
        Some(_) => Ok(Some(b"found".to_vec())),
        None => Err(Refusal::NotFound.into()),
    });
    let commit = to_commit(&mut operation, &store);
    store = store_with(1, 1);
    operation.settle(store.apply(&commit));
    assert_eq!(finish(&mut operation, &mut store).reply, Some(b"found".to_vec()));
}

#[test]
fn nothing_leaves_before_the_commit_applies() {
    let mut operation = operation(|transaction| {
        let found = transaction.get::<Number>(&1)?.map_or(0, |number| number.0);
        transaction.put(&2, &Number(found));
        transaction.effect(wake());
        Ok(Some(vec![found as u8]))
    });
    let mut store = MemoryStore::default();
    for settlement in [Settlement::Conflict, Settlement::Unknown] {
        to_commit(&mut operation, &store);
        operation.settle(settlement);
    }
    store = store_with(1, 42);
    let outcome = finish(&mut operation, &mut store);
    assert_eq!(outcome, Outcome { reply: Some(vec![42]), effects: vec![wake()] });
}

#[test]
fn after_the_last_attempt_the_caller_is_told_to_come_back() {
    let mut operation = operation(|transaction| {
        transaction.put(&1, &Number(1));
        transaction.effect(wake());
        Ok(Some(b"answer".to_vec()))
    });
    let store = MemoryStore::default();
    for _ in 0..MAX_ATTEMPTS {
        to_commit(&mut operation, &store);
        operation.settle(Settlement::Conflict);
    }
    let Step::Done(outcome) = operation.poll() else { panic!("given up") };
    assert_eq!(outcome, Outcome { reply: Some(UNAVAILABLE.to_vec()), effects: vec![] });
}

#[test]
fn an_answer_of_a_peer_outlives_a_conflict() {
    let ask = Ask { domain: "b.example".parse().unwrap(), service: Service::Queuing, request: vec![1] };
    let asked = ask.clone();
    let mut operation = operation(move |transaction| {
        transaction.get::<Number>(&1)?;
        let answer = transaction.ask_peer(asked.clone())?.unwrap();
        transaction.put(&1, &Number(1));
        Ok(Some(answer))
    });
    let mut store = MemoryStore::default();
    let Step::Read(reads) = operation.poll() else { panic!("reads first") };
    operation.supply(store.read(&reads));
    assert_eq!(operation.poll(), Step::Ask(ask));
    operation.answer(Ok(b"answer".to_vec()));
    to_commit(&mut operation, &store);
    operation.settle(Settlement::Conflict);
    // The helper accepts no further question.
    assert_eq!(finish(&mut operation, &mut store).reply, Some(b"answer".to_vec()));
}

fn question() -> Ask {
    Ask { domain: "b.example".parse().unwrap(), service: Service::Queuing, request: vec![1] }
}

/// Takes one of what the row has left, once, and asks.
fn paying() -> Operation {
    operation(|transaction| {
        if !transaction.has_paid_for(&question()) {
            let Some(Number(left)) = transaction.get(&1)?.filter(|left| *left != Number(0)) else {
                return Err(Refusal::NotFound.into());
            };
            transaction.put(&1, &Number(left - 1));
            transaction.effect(wake());
            transaction.savepoint();
        }
        transaction.put(&2, &Number(7));
        let answer = transaction.ask_peer(question())?.unwrap();
        Ok(Some(answer))
    })
}

#[test]
fn what_an_ask_costs_is_committed_before_it_and_paid_once() {
    let mut store = store_with(1, 5);
    let mut operation = paying();
    let mut payment = to_commit(&mut operation, &store);
    for settlement in [Settlement::Conflict, Settlement::Unknown] {
        operation.settle(settlement);
        payment = to_commit(&mut operation, &store);
    }
    let paid: Vec<&Key> = payment.writes.iter().map(|write| &write.key).collect();
    assert_eq!(paid, [&key(1)], "what is written after the savepoint is not part of it");
    operation.settle(store.apply(&payment));
    assert_eq!(operation.poll(), Step::Ask(question()));
    operation.answer(Ok(b"answer".to_vec()));
    let outcome = finish(&mut operation, &mut store);
    let expected = Outcome { reply: Some(b"answer".to_vec()), effects: vec![wake()] };
    assert_eq!(outcome, expected, "the effects of what was paid come with the others");
    let numbers = [1, 2].map(|name| store.get(&key(name)).unwrap().bytes[1..].to_vec());
    assert_eq!(numbers, [4_u64, 7].map(|number| number.to_be_bytes().to_vec()));
}

#[test]
fn of_operations_that_pay_with_the_same_only_one_asks() {
    let mut store = store_with(1, 1);
    // All operations of this file draw the same versions.
    store.get_mut(&key(1)).unwrap().version = Version([0; 16]);
    let mut operations = [paying(), paying()];
    let payments = operations.each_mut().map(|operation| to_commit(operation, &store));
    for (operation, payment) in operations.iter_mut().zip(payments) {
        operation.settle(store.apply(&payment));
    }
    let [mut first, mut second] = operations;
    assert_eq!(first.poll(), Step::Ask(question()));
    assert_eq!(finish(&mut second, &mut store).reply, Some(REFUSED.to_vec()));
}

#[test]
fn an_operation_that_touches_nothing_is_done_without_a_commit() {
    let mut operation = operation(|_| Ok(Some(b"answer".to_vec())));
    let done = Outcome { reply: Some(b"answer".to_vec()), effects: vec![] };
    assert_eq!(operation.poll(), Step::Done(done));
}

#[cfg(debug_assertions)]
mod order {
    use super::*;

    fn reading() -> Operation {
        operation(|transaction| transaction.get::<Number>(&1).map(|_| None))
    }

    #[test]
    #[should_panic(expected = "supply answers Read")]
    fn rows_that_nobody_asked_for_are_a_defect_of_the_driver() {
        reading().supply(MemoryStore::default().read(&crate::store::Reads::default()));
    }

    #[test]
    #[should_panic(expected = "settle answers Commit")]
    fn settling_what_was_not_committed_is_a_defect_of_the_driver() {
        reading().settle(Settlement::Committed);
    }

    #[test]
    #[should_panic(expected = "answer answers Ask")]
    fn answering_what_was_not_asked_is_a_defect_of_the_driver() {
        reading().answer(Ok(Vec::new()));
    }

    #[test]
    #[should_panic(expected = "poll while a step is under way")]
    fn polling_while_a_step_is_under_way_is_a_defect_of_the_driver() {
        let mut operation = reading();
        operation.poll();
        operation.poll();
    }

    #[test]
    #[should_panic(expected = "poll after Done")]
    fn polling_after_the_end_is_a_defect_of_the_driver() {
        let mut operation = operation(|_| Ok(None));
        operation.poll();
        operation.poll();
    }

    #[test]
    #[should_panic(expected = "a handful of rounds")]
    fn reading_row_after_row_is_a_defect_of_the_body() {
        let mut operation = operation(|transaction| {
            for name in 0..=u8::MAX {
                transaction.get::<Number>(&name)?;
            }
            Ok(None)
        });
        to_commit(&mut operation, &MemoryStore::default());
    }
}
