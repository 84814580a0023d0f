//! PROTOCOL.md §6, §7 — packages: each ordinary one is handed out once, the last one never runs out.

use std::collections::BTreeSet;

use crate::{
    codec::{decode, encode},
    crypto::hpke::HpkePublicKey,
    dispatch::Input,
    error::Refusal,
    keys::QueuingKey,
    store::RecordKind,
    testing::{
        fixtures::{Fixture, Sample},
        people::Leaf,
    },
    time::{DAY, ExpirationData},
    wire::{
        auth_service::{
            ConnectionPackage, GetConnectionPackage, GetConnectionPackageReply, PublishConnectionPackages,
        },
        message::Done,
        queuing_service::{GetKeyPackage, GetKeyPackageReply, PublishKeyPackages},
    },
};

/// Publishes `ordinary` key packages and a last resort. Returns their references, the last resort's last.
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

/// Fetches a key package. Returns its reference.
fn fetch(fixture: &mut Fixture) -> Vec<u8> {
    let reply: GetKeyPackageReply = fixture.answer(&fetch_request(fixture)).unwrap();
    reference(fixture, &reply)
}

/// Checks everything about a reply. Returns the reference of its package.
fn reference(fixture: &Fixture, reply: &GetKeyPackageReply) -> Vec<u8> {
    assert_eq!((reply.packages.len(), reply.batch.content.references.len()), (1, 1));
    let QueuingKey { id, key } =
        fixture.world.servers[&fixture.home].homeserver.keys().queuing_key().unwrap();
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
        world.settle_commit(running, commit);
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

/// Publishes connection packages, in this order, which end after `days`. Returns their keys.
fn publish_ending(fixture: &mut Fixture, days: &[u32]) -> Vec<HpkePublicKey> {
    let now = fixture.world.now;
    let packages: Vec<ConnectionPackage> = days
        .iter()
        .map(|days| {
            let mut package = fixture.alice.connection_package(&mut fixture.random, now);
            package.content.expiration = ExpirationData::starting(now, *days * DAY);
            package.signature = fixture.alice.key.sign(&package.content);
            package
        })
        .collect();
    let keys = packages.iter().map(|package| package.content.encryption_key).collect();
    let client_id = fixture.alice.client_id.clone();
    let body = PublishConnectionPackages { client_id, packages: packages.try_into().unwrap() };
    let sample = Sample::new(&fixture.home, &body, Some(fixture.alice.as_client()));
    assert_eq!(fixture.answer::<Done>(&sample), Ok(Done));
    keys
}

/// Fetches a connection package. Returns which of `keys` it has.
fn fetch_connection(fixture: &mut Fixture, keys: &[HpkePublicKey]) -> Result<usize, Refusal> {
    let user_id = fixture.alice.client_id.user_id.clone();
    let sample = Sample::new(&fixture.home, &GetConnectionPackage { user_id }, None);
    let reply: GetConnectionPackageReply = fixture.answer(&sample)?;
    Ok(keys.iter().position(|key| *key == reply.package.content.encryption_key).unwrap())
}

#[test]
fn packages_that_have_expired_are_passed_over_and_go() {
    let mut fixture = Fixture::new();
    let home = fixture.home.clone();
    let keys = publish_ending(&mut fixture, &[1, 1, 20, 20, 30]);
    fixture.world.now = fixture.world.now + 2 * DAY;
    let left = |fixture: &Fixture| fixture.world.store(&home).count(RecordKind::ConnectionPackage);
    for (expected, remaining) in [(2, 2), (3, 1), (4, 1), (4, 1)] {
        assert_eq!(fetch_connection(&mut fixture, &keys), Ok(expected));
        assert_eq!(left(&fixture), remaining);
    }
}

#[test]
fn behind_many_that_have_expired_only_the_last_is_looked_at() {
    let mut fixture = Fixture::new();
    let keys = publish_ending(&mut fixture, &[1, 1, 1, 20, 30]);
    fixture.world.now = fixture.world.now + 2 * DAY;
    assert_eq!(fetch_connection(&mut fixture, &keys), Ok(3), "the fourth is looked at");
    let keys = publish_ending(&mut fixture, &[1, 1, 1, 1, 20, 30]);
    fixture.world.now = fixture.world.now + 2 * DAY;
    assert_eq!(fetch_connection(&mut fixture, &keys), Ok(5), "the fifth is not");
}

#[test]
fn a_user_all_of_whose_packages_have_expired_cannot_be_asked() {
    let mut fixture = Fixture::new();
    let keys = publish_ending(&mut fixture, &[1, 1, 1]);
    fixture.world.now = fixture.world.now + DAY;
    assert_eq!(fetch_connection(&mut fixture, &keys), Ok(0), "valid to the last moment");
    fixture.world.now = fixture.world.now + std::time::Duration::from_millis(1);
    assert_eq!(fetch_connection(&mut fixture, &keys), Err(Refusal::NotFound));
}

mod pools {
    use std::sync::{Arc, Mutex};

    use crate::{
        collections::pool::{self, PackageName, Pool},
        identifiers::QsClientId,
        operation::{Interrupt, Step, Transaction},
        store::{MemoryStore, RecordKind},
        testing::{body::operation, world::World},
        time::Timestamp,
    };

    /// Packages that are numbers.
    enum Numbers {}

    impl Pool for Numbers {
        type Name = QsClientId;
        type Content = u64;

        const HEAD: RecordKind = RecordKind::ConnectionPackagePool;
        const PACKAGE: RecordKind = RecordKind::ConnectionPackage;
    }

    /// Runs `body` over `store` to its end. Returns what it comes to, and in how many rounds it read.
    fn run<T: Send + 'static>(
        store: &mut MemoryStore,
        body: impl Fn(&mut Transaction<'_>) -> Result<T, Interrupt> + Send + 'static,
    ) -> (T, usize) {
        let came_to = Arc::new(Mutex::new(None));
        let value = Arc::clone(&came_to);
        let homeserver = World::of(&["a.example"]).server("a.example").homeserver.clone();
        let mut operation = operation(homeserver, Timestamp::default(), [2; 32], move |transaction| {
            *value.lock().unwrap() = Some(body(transaction)?);
            Ok(None)
        });
        let mut rounds = 0;
        loop {
            match operation.poll() {
                Step::Read(reads) => {
                    rounds += 1;
                    operation.supply(store.read(&reads));
                }
                Step::Commit(commit) => operation.settle(store.apply(&commit)),
                Step::Done(_) => return (came_to.lock().unwrap().take().unwrap(), rounds),
                Step::Ask(ask) => panic!("{ask:?}"),
            }
        }
    }

    #[test]
    fn expired_packages_of_all_clients_are_passed_over_in_two_rounds() {
        let mut store = MemoryStore::default();
        let clients: Vec<QsClientId> = (0..10).map(|number| QsClientId([number; 16])).collect();
        for client in clients.clone() {
            run(&mut store, move |transaction| {
                let contents = [1, 2, 3, 4, 5, 6];
                pool::replace::<Numbers, u64>(transaction, &client, &contents, |_, _, n| Ok(*n))
            });
        }
        let (taken, rounds) = run(&mut store, move |transaction| {
            pool::load::<Numbers>(transaction, &clients)?;
            let fresh = |_: &PackageName<QsClientId>, number| Ok(Some(number).filter(|n| *n > 3));
            clients.iter().map(|client| pool::take::<Numbers, u64>(transaction, client, fresh)).collect()
        });
        let taken: Vec<Option<u64>> = taken;
        assert_eq!((taken, rounds), (vec![Some(4); 10], 2));
    }
}
