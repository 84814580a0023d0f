//! PROTOCOL.md §2, Idempotency — the same bytes never take effect twice, on any number of nodes.

use crate::{
    codec::encode,
    dispatch::Input,
    error::Refusal,
    identifiers::Domain,
    store::{RecordKind, Settlement},
    testing::{
        fixtures::Fixture,
        samples::sample_request,
        world::{Trouble, World},
    },
    wire::operations::OperationKind,
};

/// Returns how many rows there are of each kind.
fn census(world: &World, domain: &Domain) -> Vec<(RecordKind, usize)> {
    let kinds = RecordKind::DECLARATIONS.iter().map(|declaration| declaration.kind);
    kinds.map(|kind| (kind, world.store(domain).count(kind))).collect()
}

fn remembered() -> impl Iterator<Item = OperationKind> {
    OperationKind::ALL.iter().copied().filter(|kind| kind.rules().remembered)
}

#[test]
fn a_commit_whose_outcome_is_lost_takes_effect_once() {
    let mut fixture = Fixture::new();
    for kind in remembered() {
        let sample = sample_request(&mut fixture, kind);
        let (bytes, domain) = (fixture.bytes(&sample), sample.domain.clone());
        let mut smooth = fixture.world.clone();
        assert_eq!(smooth.request(&domain, &bytes).refusal(), None);
        let expected = census(&smooth, &domain);

        let mut applied = fixture.world.clone();
        applied.faults.troubles.push_back(Trouble::UnknownApplied);
        let recorded = applied.request(&domain, &bytes);
        assert_eq!(recorded.refusal(), None, "{kind:?}");
        assert_eq!(recorded.commits.len(), 2);
        assert!(recorded.commit().writes.is_empty(), "{kind:?}: the second attempt recalls");
        assert_eq!(census(&applied, &domain), expected, "{kind:?}");
        assert_eq!(applied.request(&domain, &bytes).reply, recorded.reply, "{kind:?}");

        for trouble in [Trouble::UnknownLost, Trouble::Conflict] {
            let mut lost = fixture.world.clone();
            lost.faults.troubles.push_back(trouble);
            let recorded = lost.request(&domain, &bytes);
            assert_eq!((recorded.refusal(), recorded.commits.len()), (None, 2), "{kind:?}");
            assert!(!recorded.commit().writes.is_empty());
            assert_eq!(census(&lost, &domain), expected, "{kind:?}");
        }
    }
}

#[test]
fn of_two_nodes_that_serve_the_same_bytes_one_takes_effect_and_the_other_recalls() {
    let mut fixture = Fixture::new();
    for kind in remembered() {
        let sample = sample_request(&mut fixture, kind);
        let (bytes, domain) = (fixture.bytes(&sample), sample.domain.clone());
        let mut world = fixture.world.clone();
        let mut first = world.begin(&domain, Input::Request(&bytes));
        let mut second = world.begin(&domain, Input::Request(&bytes));
        let commit = world.until_commit(&mut first).unwrap();
        let late = world.until_commit(&mut second).unwrap();
        world.settle_commit(&mut first, commit);
        let first = world.finish(first);
        let after = world.store(&domain).clone();
        world.settle_commit(&mut second, late);
        let second = world.finish(second);
        let settlements: Vec<Settlement> = second.commits.iter().map(|(_, settled)| *settled).collect();
        assert_eq!(settlements, [Settlement::Conflict, Settlement::Committed], "{kind:?}");
        assert_eq!((first.refusal(), &second.reply), (None, &first.reply), "{kind:?}");
        assert_eq!(world.store(&domain), &after, "{kind:?}: nothing happened twice");
        assert_eq!(second.effects, [], "{kind:?}");
    }
}

#[test]
fn of_two_requests_with_one_token_one_is_served() {
    let mut fixture = Fixture::new();
    let sample = sample_request(&mut fixture, OperationKind::EnqueueDirect);
    let token = fixture.token_for(&sample);
    let requests = [fixture.request_id(), fixture.request_id()]
        .map(|id| encode(&sample.envelope(fixture.world.now, id, token.clone())));
    let world = &mut fixture.world;
    let mut running = requests.map(|bytes| world.begin(&sample.domain, Input::Request(&bytes)));
    let commits = running.each_mut().map(|running| world.until_commit(running).unwrap());
    for (running, commit) in running.iter_mut().zip(commits) {
        world.settle_commit(running, commit);
    }
    let [first, second] = running.map(|running| world.finish(running).refusal());
    assert_eq!((first, second), (None, Some(Refusal::TokenSpent)));
    assert_eq!(world.store(&sample.domain).count(RecordKind::DirectQueueEntry), 2, "the key, and one entry");
}

#[test]
fn an_answer_that_asks_to_come_back_is_not_remembered() {
    let mut fixture = Fixture::with(|config| config.rates.token_allowance = 100);
    let home = fixture.home.clone();
    let (_, sample) = fixture.token_request(false, &home, 1);
    let bytes = fixture.bytes(&sample);
    let before = fixture.world.store(&home).clone();
    let refused = fixture.world.request(&home, &bytes);
    assert!(matches!(refused.refusal(), Some(Refusal::RateLimited { .. })));
    assert_eq!(fixture.world.store(&home), &before);
}
