//! PROTOCOL.md §2, §8 — values whose length members choose are bounded by the longest that an honest member
//! makes.

use crate::{
    codec::{Flag, decode, encode},
    credentials::MemberCredential,
    crypto::aead::{EarCiphertext, EarKey},
    error::Refusal,
    identifiers::{Domain, GroupId, GroupUuid},
    limits::{MAX_ADDS, MAX_MEMBER_SECRET, MAX_MLS_MESSAGE, MAX_SEALED_CONFIG, MAX_WELCOMES},
    store::RecordKind,
    testing::{
        fixtures::{Fixture, Sample},
        people::Leaf,
        samples::sample_request,
    },
    time::DAY,
    wire::{
        delivery_service::{AddUsers, CommitData, CreateGroup, JoinConnectionGroup, UpdateQueueInfo},
        fan_out::ClientQueueConfig,
        operations::{OperationKind, RequestBody},
        queuing_service::PublishKeyPackages,
    },
};

fn changed<B: RequestBody>(sample: &Sample, change: impl FnOnce(&mut B)) -> Sample {
    let mut body: B = decode(&sample.body).unwrap();
    change(&mut body);
    Sample { body: encode(&body), ..sample.clone() }
}

fn lengthen(config: &mut ClientQueueConfig) {
    config.sealed.ciphertext = vec![0; MAX_SEALED_CONFIG + 1].try_into().unwrap();
}

fn long_secret() -> EarCiphertext {
    EarCiphertext { salt: [0; 32], ciphertext: vec![0; MAX_MEMBER_SECRET + 1].try_into().unwrap() }
}

#[test]
fn what_clients_make_for_the_longest_domains_is_within_the_bounds() {
    let mut fixture = Fixture::new();
    let longest: Domain = [63, 63, 63, 61].map(|length| "a".repeat(length)).join(".").parse().unwrap();
    let group = GroupId { uuid: GroupUuid([0; 16]), domain: longest.clone() };
    fixture.alice.client_id.user_id.domain = longest;
    let config = fixture.alice.bound(&mut fixture.random, &group, fixture.world.now);
    assert_eq!(config.check_length(), Ok(()));
    let member = MemberCredential {
        client_credential: fixture.alice.credential().clone(),
        attribution_key: EarKey::random(&mut fixture.random),
    };
    let longer = encode(&group.domain).len();
    let sealed = fixture.alice.friendship.0.seal(&mut fixture.random, b"", &encode(&member)).unwrap();
    assert!(sealed.ciphertext.as_slice().len() + longer < MAX_MEMBER_SECRET / 2);
}

#[test]
fn no_queue_configuration_is_taken_that_is_longer_than_one_can_be() {
    let mut fixture = Fixture::new();
    let create = sample_request(&mut fixture, OperationKind::CreateGroup);
    let create = changed::<CreateGroup>(&create, |body| lengthen(&mut body.queue_config));
    let join = sample_request(&mut fixture, OperationKind::JoinConnectionGroup);
    let join = changed::<JoinConnectionGroup>(&join, |body| lengthen(&mut body.queue_config));
    let update = sample_request(&mut fixture, OperationKind::UpdateQueueInfo);
    let update = changed::<UpdateQueueInfo>(&update, |body| lengthen(&mut body.queue_config));
    for sample in [create, join, update] {
        assert_eq!(fixture.send(&sample).refusal(), Some(Refusal::InvalidQueueConfig), "{:?}", sample.kind);
    }
    // Nor is one published: a member who adds the client could not use it.
    let leaf = Leaf::new(&mut fixture.random, &fixture.alice, fixture.world.now);
    let mut config = fixture.alice.unbound(&mut fixture.random, fixture.world.now + DAY);
    lengthen(&mut config);
    let publish = sample_request(&mut fixture, OperationKind::PublishKeyPackages);
    let publish = changed::<PublishKeyPackages>(&publish, |body| {
        body.packages[0].key_package = encode(&leaf.key_package(&config, false)).try_into().unwrap();
    });
    assert_eq!(fixture.send(&publish).refusal(), Some(Refusal::InvalidQueueConfig));
}

#[test]
fn no_secret_between_members_is_taken_that_is_longer_than_one_can_be() {
    let mut fixture = Fixture::new();
    let too_large = Some(Refusal::TooLarge { limit: MAX_MEMBER_SECRET as u64 });
    let create = sample_request(&mut fixture, OperationKind::CreateGroup);
    let create = changed::<CreateGroup>(&create, |body| body.encrypted_credential = long_secret());
    assert_eq!(fixture.send(&create).refusal(), too_large);

    let mut group = fixture.group(Flag::No);
    let (add, ..) = fixture.add_bob(&mut group);
    let attributed =
        changed::<AddUsers>(&add, |body| body.attributions = vec![long_secret()].try_into().unwrap());
    assert_eq!(fixture.send(&attributed).refusal(), too_large);
    group.drop_commit();
    let (credential, ..) = fixture.add_bob_with(&mut group, |group, data, package| {
        let encrypted_credentials = vec![long_secret()].try_into().unwrap();
        let data = CommitData { encrypted_credentials, ..data.clone() };
        group.commit(&data, |builder| builder.propose_adds([package]))
    });
    assert_eq!(fixture.send(&credential).refusal(), too_large);
}

#[test]
fn a_short_request_cannot_make_many_copies_of_a_long_welcome() {
    let mut fixture = Fixture::new();
    let add = sample_request(&mut fixture, OperationKind::AddUsers);
    let copied = changed::<AddUsers>(&add, |body| {
        body.welcome = vec![0; MAX_MLS_MESSAGE].try_into().unwrap();
        body.attributions = vec![body.attributions[0].clone(); MAX_ADDS].try_into().unwrap();
    });
    assert!(copied.body.len() < 1 << 20);
    let recorded = fixture.send(&copied);
    assert_eq!(recorded.refusal(), Some(Refusal::TooLarge { limit: MAX_WELCOMES as u64 }));
    assert!(!recorded.read_kinds().contains(&RecordKind::GroupHead), "refused before the group is looked at");
}
