//! PROTOCOL.md §2, Idempotency — what is paid is paid once: the same bytes go on from a redeemed token, and ask
//! other homeservers no more often than it pays for.

use std::time::Duration;

use crate::{
    codec::encode,
    error::Refusal,
    limits::MAX_ASKS,
    store::RecordKind,
    testing::{
        fixtures::{Fixture, Sample},
        samples::sample_request,
        world::Trouble,
    },
    time::MINUTE,
    wire::operations::OperationKind,
};

/// Returns a request that adds Bob, about whose homeserver nothing is known yet, with its bytes.
fn cold() -> (Fixture, Sample, Vec<u8>) {
    let mut fixture = Fixture::new();
    let sample = sample_request(&mut fixture, OperationKind::AddUsers);
    let bytes = fixture.bytes(&sample);
    (fixture, sample, bytes)
}

fn asked(fixture: &Fixture) -> usize {
    fixture.world.asked_for(&fixture.away, OperationKind::GetQsKeys)
}

/// Returns how long the caller is told to wait, for another homeserver or for its turn.
fn wait(refusal: Option<Refusal>) -> Duration {
    let Some(
        Refusal::PeerUnavailable { retry_after_milliseconds, .. }
        | Refusal::RateLimited { retry_after_milliseconds },
    ) = refusal
    else {
        panic!("{refusal:?} does not say when to come back")
    };
    Duration::from_millis(retry_after_milliseconds)
}

#[test]
fn after_a_peer_was_away_the_same_bytes_succeed_without_another_token() {
    let (mut fixture, sample, bytes) = cold();
    let spent = fixture.world.store(&sample.domain).count(RecordKind::Nullifier);
    fixture.world.down.insert(fixture.away.clone());
    let refusal = fixture.world.request(&sample.domain, &bytes).refusal();
    assert!(matches!(refusal, Some(Refusal::PeerUnavailable { .. })), "{refusal:?}");
    let told = wait(refusal);
    fixture.world.down.clear();
    fixture.world.now = fixture.world.now + told / 2;
    let early = fixture.world.request(&sample.domain, &bytes);
    assert_eq!(early.refusal(), Some(Refusal::rate_limited(told / 2)), "not before it was told to come");
    assert!(early.commit().writes.is_empty());
    fixture.world.now = fixture.world.now + told / 2;
    let served = fixture.world.request(&sample.domain, &bytes);
    assert_eq!(served.refusal(), None);
    assert_eq!(fixture.world.store(&sample.domain).count(RecordKind::Nullifier), spent + 1);
    let again = fixture.world.request(&sample.domain, &bytes);
    assert_eq!((again.reply, again.effects), (served.reply, vec![]), "and is answered once");
    assert_eq!(asked(&fixture), 2);
}

#[test]
fn copies_at_the_same_time_have_a_peer_asked_once() {
    let (mut fixture, sample, bytes) = cold();
    let before = asked(&fixture);
    let recorded = fixture.world.race(&sample.domain, &vec![bytes; 50]);
    assert_eq!(asked(&fixture) - before, 1);
    let served = recorded.iter().find(|one| one.refusal().is_none()).unwrap();
    for one in recorded.iter().filter(|one| one.reply != served.reply) {
        assert!(wait(one.refusal()) <= MINUTE, "beside one that asks, a copy is told to come back");
    }
}

#[test]
fn requests_that_share_a_token_have_a_peer_asked_once() {
    let (mut fixture, sample, _) = cold();
    let before = asked(&fixture);
    let token = fixture.token_for(&sample);
    let requests: Vec<Vec<u8>> = (0..50)
        .map(|_| encode(&sample.envelope(fixture.world.now, fixture.request_id(), token.clone())))
        .collect();
    let recorded = fixture.world.race(&sample.domain, &requests);
    assert_eq!(asked(&fixture) - before, 1);
    let refusals: Vec<Refusal> = recorded.iter().filter_map(|one| one.refusal()).collect();
    assert_eq!(refusals, vec![Refusal::TokenSpent; 49]);
}

#[test]
fn a_token_pays_for_a_few_questions_and_another_one_for_more() {
    let (mut fixture, sample, bytes) = cold();
    fixture.world.down.insert(fixture.away.clone());
    for _ in 0..MAX_ASKS {
        let told = wait(fixture.world.request(&sample.domain, &bytes).refusal());
        fixture.world.now = fixture.world.now + told;
    }
    for _ in 0..2 {
        let refusal = fixture.world.request(&sample.domain, &bytes).refusal();
        assert_eq!(refusal, Some(Refusal::TokenSpent));
        fixture.world.down.clear();
    }
    assert_eq!(asked(&fixture), usize::from(MAX_ASKS));
    assert_eq!(fixture.send(&sample).refusal(), None);
}

/// The operation that has paid knows its own payment again, and goes on.
#[test]
fn a_payment_whose_outcome_is_lost_holds_up_no_one() {
    for (trouble, commits) in
        [(Trouble::UnknownApplied, 2), (Trouble::UnknownLost, 3), (Trouble::Conflict, 3)]
    {
        let (mut fixture, sample, bytes) = cold();
        fixture.world.faults.troubles.push_back(trouble);
        let recorded = fixture.world.request(&sample.domain, &bytes);
        assert_eq!((recorded.refusal(), recorded.commits.len()), (None, commits), "{trouble:?}");
        assert_eq!(asked(&fixture), 1, "{trouble:?}");
    }
}

/// A node dies while it asks: the caller's repeat waits as long as the question might be under way, and succeeds.
#[test]
fn a_crash_while_a_question_is_under_way_costs_a_wait() {
    let (mut fixture, sample, bytes) = cold();
    let mut running = fixture.world.begin(&sample.domain, crate::dispatch::Input::Request(&bytes));
    let payment = fixture.world.until_commit(&mut running).unwrap();
    fixture.world.settle_commit(&mut running, payment);
    drop(running);
    let told = wait(fixture.world.request(&sample.domain, &bytes).refusal());
    fixture.world.now = fixture.world.now + told;
    assert_eq!(fixture.world.request(&sample.domain, &bytes).refusal(), None);
}
