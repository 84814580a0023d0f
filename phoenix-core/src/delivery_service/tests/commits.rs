//! PROTOCOL.md §8 — commits that MLS accepts and the delivery service refuses.

use crate::{
    codec::{Flag, List, decode, encode},
    error::Refusal,
    identifiers::Domain,
    keys::QueuingKey,
    limits::MAX_ADDED_DOMAINS,
    testing::{
        fixtures::{Fixture, Sample},
        people::Leaf,
        world::homeserver,
    },
    wire::{
        delivery_service::{AddUsers, CommitReply},
        queuing_service::{KeyPackageBatch, KeyPackageBatchContent},
    },
};

#[test]
fn who_adds_users_does_not_change_its_own_key_or_credential_by_it() {
    let mut fixture = Fixture::new();
    let mut group = fixture.group(Flag::No);
    let (old_key, now) = (group.leaf.key.clone(), fixture.world.now);
    // Another key under another credential, and the same key under another one.
    let other = Leaf::new(&mut fixture.random, &fixture.alice, now);
    let renewed = Leaf::with_key(&mut fixture.random, &fixture.alice, now, old_key);
    for next in [other, renewed] {
        let (add, ..) = fixture
            .add_bob_with(&mut group, |group, data, package| group.commit_as(&next, data, vec![package]));
        assert_eq!(fixture.answer::<CommitReply>(&add), Err(Refusal::CommitNotAllowed));
        group.drop_commit();
    }
    let (add, ..) = fixture.add_bob(&mut group);
    assert!(fixture.answer::<CommitReply>(&add).is_ok(), "and a fresh path is welcome");
}

/// Returns an empty batch, signed by a homeserver that is new.
fn batch_from_elsewhere(fixture: &mut Fixture, number: usize) -> KeyPackageBatch {
    let domain: Domain = format!("elsewhere-{number}.example").parse().unwrap();
    let stranger = homeserver(&mut fixture.random, &domain, fixture.world.now, &|_| {});
    let QueuingKey { id: key_id, key } = stranger.keys().queuing_key().unwrap();
    let (references, issued_at) = (List::default(), fixture.world.now);
    let content = KeyPackageBatchContent { domain, references, issued_at, key_id };
    let batch = KeyPackageBatch { signature: key.sign(&content), content };
    fixture.world.add(stranger);
    batch
}

#[test]
fn users_of_many_homeservers_are_added_in_a_handful_of_rounds() {
    let mut fixture = Fixture::new();
    let mut group = fixture.group(Flag::No);
    let (add, ..) = fixture.add_bob(&mut group);
    let mut body: AddUsers = decode(&add.body).unwrap();
    // Bob's is one.
    for number in 1..MAX_ADDED_DOMAINS {
        body.batches.push(batch_from_elsewhere(&mut fixture, number)).unwrap();
    }
    let full = Sample { body: encode(&body), ..add };
    let mut cold = fixture.world.clone();
    let bytes = fixture.bytes(&full);
    let recorded = cold.request(&full.domain, &bytes);
    assert_eq!((recorded.refusal(), recorded.asks.len()), (None, MAX_ADDED_DOMAINS));
    // What was read before the questions are paid for is read again.
    assert!(recorded.reads.len() <= 10, "{} rounds", recorded.reads.len());

    body.batches.push(batch_from_elsewhere(&mut fixture, MAX_ADDED_DOMAINS)).unwrap();
    let recorded = fixture.send(&Sample { body: encode(&body), ..full.clone() });
    assert_eq!((recorded.refusal(), recorded.asks.len()), (Some(Refusal::Malformed), 0));
    assert_eq!(fixture.send(&full).refusal(), None);
}
