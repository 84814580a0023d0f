//! protocol.md §6, §7 — packages: each ordinary one is handed out once, the last one never runs out.

use std::collections::BTreeSet;

use super::{
    fixtures::{Fixture, Sample},
    people::Leaf,
};
use crate::{
    error::Refusal,
    homeserver::Input,
    store::RecordKind,
    wire::{
        auth_service::{Done, GetConnectionPackage, GetConnectionPackageReply},
        codec::{decode, encode},
        queuing_service::{GetKeyPackage, GetKeyPackageReply, PublishKeyPackages},
    },
};

/// Publishes so many ordinary key packages and a last resort; gives the references, the last resort's last.
fn publish(fixture: &mut Fixture, ordinary: usize) -> Vec<Vec<u8>> {
    let leaf = Leaf::new(&mut fixture.random, &fixture.alice, fixture.world.now);
    let (sample, references) = fixture.key_packages(false, &leaf, ordinary);
    assert_eq!(fixture.answer::<Done>(&sample), Ok(Done));
    references
}

fn fetch_request(fixture: &Fixture) -> Sample {
    let friendship_token = fixture.alice.friendship.clone();
    let body = GetKeyPackage { user: fixture.alice.user, friendship_token };
    Sample::new(&fixture.home, &body, None)
}

/// Fetches a key package; gives its reference.
fn fetch(fixture: &mut Fixture) -> Vec<u8> {
    let reply: GetKeyPackageReply = fixture.answer(&fetch_request(fixture)).unwrap();
    reference(fixture, &reply)
}

/// The reference that a reply vouches for, once everything about it is checked.
fn reference(fixture: &Fixture, reply: &GetKeyPackageReply) -> Vec<u8> {
    assert_eq!((reply.packages.len(), reply.batch.content.references.len()), (1, 1));
    let (key, id) = fixture.world.nodes[&fixture.home].homeserver.keys().queuing_key().unwrap();
    assert_eq!(reply.batch.content.key_id, id);
    assert_eq!(key.verifying_key().verify(&reply.batch.content, &reply.batch.signature), Ok(()));
    assert_eq!(reply.batch.content.issued_at, fixture.world.now);
    let crypto = crate::crypto::provider::MlsCrypto::new([2; 32]);
    let package = reply.packages[0].key_package.as_slice();
    let reference = crate::mls::key_package_reference(&crypto, package).unwrap();
    assert_eq!(reply.batch.content.references[0].as_slice(), reference);
    reference
}

#[test]
fn ordinary_key_packages_are_each_handed_out_once_and_the_last_resort_again_and_again() {
    let mut fixture = Fixture::new();
    let published = publish(&mut fixture, 3);
    let fetched: Vec<Vec<u8>> = (0..6).map(|_| fetch(&mut fixture)).collect();
    let ordinary: BTreeSet<_> = fetched[..3].iter().collect();
    assert_eq!(ordinary, published[..3].iter().collect());
    assert!(fetched[3..].iter().all(|reference| *reference == published[3]));
    let home = fixture.home.clone();
    assert_eq!(fixture.world.store(&home).count(RecordKind::KeyPackage), 1);
}

#[test]
fn two_friends_at_once_get_two_packages() {
    let mut fixture = Fixture::new();
    publish(&mut fixture, 3);
    let sample = fetch_request(&fixture);
    let requests = [fixture.bytes(&sample), fixture.bytes(&sample)];
    let world = &mut fixture.world;
    let mut running = requests.map(|bytes| world.begin(&sample.domain, Input::Request(&bytes)));
    let commits = running.each_mut().map(|running| world.until_commit(running).unwrap());
    for (running, commit) in running.iter_mut().zip(commits) {
        world.settle(running, commit);
    }
    let replies = running.map(|running| world.finish(running).answer::<GetKeyPackageReply>().unwrap());
    let [first, second] = replies.map(|reply| reference(&fixture, &reply));
    assert_ne!(first, second);
}

#[test]
fn publishing_replaces_all_that_was_there() {
    let mut fixture = Fixture::new();
    publish(&mut fixture, 3);
    fetch(&mut fixture);
    let published = publish(&mut fixture, 1);
    let home = fixture.home.clone();
    assert_eq!(fixture.world.store(&home).count(RecordKind::KeyPackage), 2);
    let fetched: Vec<Vec<u8>> = (0..3).map(|_| fetch(&mut fixture)).collect();
    assert_eq!(fetched, [published[0].clone(), published[1].clone(), published[1].clone()]);
}

#[test]
fn a_last_resort_is_required_and_one_bad_package_refuses_all() {
    let mut fixture = Fixture::new();
    publish(&mut fixture, 1);
    let leaf = Leaf::new(&mut fixture.random, &fixture.alice, fixture.world.now);
    let (sample, _) = fixture.key_packages(false, &leaf, 2);
    let body: PublishKeyPackages = decode(&sample.body).unwrap();
    let home = fixture.home.clone();
    let before = fixture.world.store(&home).clone();
    let kept = [RecordKind::RememberedAnswer, RecordKind::Nullifier].into();
    let mut without = body.clone();
    without.packages.remove(2);
    let mut bad = body.clone();
    let mut bytes = bad.packages[1].key_package.as_slice().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    bad.packages[1].key_package = bytes.try_into().unwrap();
    let mut stranger = body;
    stranger.friendship_token = fixture.bob.friendship.clone();
    for (body, refusal) in
        [(without, Refusal::NoLastResort), (bad, Refusal::InvalidKeyPackage), (stranger, Refusal::NoFriend)]
    {
        let wrong = Sample { body: encode(&body), ..sample.clone() };
        assert_eq!(fixture.answer::<Done>(&wrong), Err(refusal));
        assert_eq!(fixture.world.store(&home).changed_kinds(&before), kept);
    }
}

#[test]
fn connection_packages_are_each_handed_out_once_and_the_last_again_and_again() {
    let mut fixture = Fixture::new();
    let user_id = fixture.alice.client_id.user_id.clone();
    let sample = Sample::new(&fixture.home, &GetConnectionPackage { user_id }, None);
    let mut keys = Vec::new();
    for _ in 0..5 {
        let reply: GetConnectionPackageReply = fixture.answer(&sample).unwrap();
        keys.push(reply.package.content.encryption_key);
    }
    let distinct: BTreeSet<_> = keys[..3].iter().collect();
    assert_eq!(distinct.len(), 3);
    assert_eq!((keys[3], keys[4]), (keys[2], keys[2]));
}
