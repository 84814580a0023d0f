//! PROTOCOL.md §8 — what is refused, and why.

use openmls::prelude::{
    Capabilities, Ciphersuite, Credential, CredentialType, CredentialWithKey, Extension, Extensions,
    KeyPackage, Lifetime, MlsGroup, MlsGroupJoinConfig, OpenMlsProvider as _,
    PURE_CIPHERTEXT_WIRE_FORMAT_POLICY,
};
use tls_codec::Serialize as _;

use super::{
    super::{
        ApplicationMessageError, CIPHERSUITE, CommitError, GroupInfoError, GroupInfoUpdate, GroupState,
        KeyPackageError, LeafError, MergeError, StoredStateError, ValidationError, capabilities,
        check_application_message, parse_message, validate_key_package, welcome_references,
    },
    client::{Client, DAY, Sent, Service, extensions, join_config, lifetime},
};
use crate::crypto::provider::MlsCrypto;

/// A group of two, with its service.
fn pair() -> (Client, MlsGroup, Client, MlsGroup, Service) {
    let (alice, bob) = (Client::new(1), Client::new(2));
    let mut at_alice = alice.new_group(extensions(&Client::new(9), b""));
    let mut ds = Service::create(&alice, &at_alice);
    let sent = alice.commit(&mut at_alice, b"", |b| b.propose_adds([bob.key_package(lifetime())]));
    ds.accept(&sent);
    alice.merge_own(&mut at_alice);
    let at_bob = bob.join(&sent.welcome.unwrap(), &ds.state.export_tree());
    (alice, at_alice, bob, at_bob, ds)
}

#[test]
fn a_commit_for_another_epoch_or_group() {
    let (alice, mut at_alice, bob, mut at_bob, mut ds) = pair();
    let first = alice.commit(&mut at_alice, b"", |b| b.force_self_update(true));
    let second = bob.commit(&mut at_bob, b"", |b| b.force_self_update(true));
    let (one, other) = (ds.stage(&first).unwrap(), ds.stage(&second).unwrap());
    ds.state.merge(one).unwrap();
    assert_eq!(ds.state.merge(other), Err(MergeError::OtherState));
    assert_eq!(ds.refusal(&second), CommitError::WrongEpoch { commit: 1, current: 2 });
    assert_eq!(ds.refusal(&first), CommitError::WrongEpoch { commit: 1, current: 2 });

    let snapshot = ds.state.snapshot().unwrap();
    assert_eq!(GroupState::load(&snapshot, b"other").err(), Some(StoredStateError::WrongGroup));
    let mut newer = snapshot.clone();
    newer[0] += 1;
    assert_eq!(GroupState::load(&newer, ds.state.group_id()).err(), Some(StoredStateError::Version));
    for length in 0..snapshot.len() {
        assert!(GroupState::load(&snapshot[..length], ds.state.group_id()).is_err());
    }
}

#[test]
fn a_commit_by_somebody_else() {
    let (.., ds) = pair();
    let mallory = Client::new(66);
    let mut forked = mallory.new_group(extensions(&Client::new(9), b""));
    mallory.commit(&mut forked, b"", |b| b.force_self_update(true));
    mallory.merge_own(&mut forked);
    let sent = mallory.commit(&mut forked, b"", |b| b.force_self_update(true));
    assert!(matches!(ds.refusal(&sent), CommitError::Invalid(_)));
}

/// Flipping bits: only the membership tag, which no outsider can check, may change.
#[test]
fn every_byte_of_a_commit_counts() {
    const MEMBERSHIP_TAG: usize = 32;
    let (alice, mut at_alice, .., ds) = pair();
    let sent = alice.commit(&mut at_alice, b"data", |b| b.force_self_update(true));
    assert!(ds.stage(&sent).is_ok());
    for mask in [0x01, 0x80] {
        for position in 0..sent.commit.len() {
            let mut forged = sent.clone();
            forged.commit[position] ^= mask;
            let in_tag = position >= sent.commit.len() - MEMBERSHIP_TAG;
            assert_eq!(ds.stage(&forged).is_ok(), in_tag, "byte {position} of {}", sent.commit.len());
        }
    }
    for length in 0..sent.commit.len() {
        assert!(parse_message(&sent.commit[..length]).is_err());
    }
    let mut longer = sent.clone();
    longer.commit.push(0);
    assert!(matches!(ds.refusal(&longer), CommitError::Malformed(_)));
}

/// Who joins from outside has no membership tag: no byte may change.
#[test]
fn every_byte_of_an_external_commit_counts() {
    let (.., ds) = pair();
    let (_, sent) = Client::new(3).join_externally(&ds.group_info, &ds.state.export_tree());
    assert!(ds.stage(&sent).is_ok());
    for position in 0..sent.commit.len() {
        let mut forged = sent.clone();
        forged.commit[position] ^= 1;
        assert!(ds.stage(&forged).is_err(), "byte {position} of {}", sent.commit.len());
    }
}

proptest::proptest! {
    #[test]
    fn arbitrary_bytes_are_refused_without_harm(
        kind in 0_u8..7,
        rest in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
    ) {
        let message = [&[0, 1, 0, kind], rest.as_slice()].concat();
        let crypto = MlsCrypto::new([5; 32]);
        let _ = parse_message(&message);
        let _ = check_application_message(&message);
        let _ = welcome_references(&message);
        proptest::prop_assert!(validate_key_package(&crypto, &message, 0).is_err());
        proptest::prop_assert!(GroupState::create(&crypto, &rest, &message).is_err());
        proptest::prop_assert!(GroupState::load(&message, b"group").is_err());
    }
}

#[test]
fn a_group_info_that_does_not_fit() {
    let (alice, mut at_alice, bob, mut at_bob, ds) = pair();
    let sent = alice.commit(&mut at_alice, b"", |b| b.force_self_update(true));
    let other = bob.commit(&mut at_bob, b"", |b| b.force_self_update(true));
    let refuse = |change: &dyn Fn(&mut GroupInfoUpdate), expected: GroupInfoError| {
        let mut wrong = sent.clone();
        change(&mut wrong.update);
        assert_eq!(ds.refusal(&wrong), CommitError::GroupInfo(expected));
    };
    refuse(&|update| update.signature = other.update.signature.clone(), GroupInfoError::Signature);
    refuse(&|update| update.signature = Vec::new().try_into().unwrap(), GroupInfoError::Signature);
    // The external_pub of another epoch.
    refuse(&|update| update.extensions = other.update.extensions.clone(), GroupInfoError::Signature);
    refuse(&|update| update.extensions = vec![0].try_into().unwrap(), GroupInfoError::NoExternalPub);
    refuse(&|update| update.extensions = Vec::new().try_into().unwrap(), GroupInfoError::Malformed);
    refuse(
        &|update| {
            let mut bytes = update.extensions.as_slice().to_vec();
            bytes.push(0);
            update.extensions = bytes.try_into().unwrap();
        },
        GroupInfoError::Malformed,
    );
    refuse(
        &|update| {
            // An extension of type 0xFF77 behind external_pub.
            let mut bytes = update.extensions.as_slice().to_vec();
            bytes[0] += 4;
            bytes.extend([0xFF, 0x77, 1, 42]);
            update.extensions = bytes.try_into().unwrap();
        },
        GroupInfoError::Extensions,
    );
}

#[test]
fn what_is_no_readable_commit() {
    let (alice, mut at_alice, .., ds) = pair();
    let sent = alice.commit(&mut at_alice, b"", |b| b.force_self_update(true));
    at_alice.clear_pending_commit(alice.provider.storage()).unwrap();
    assert_eq!(check_application_message(&sent.commit), Err(ApplicationMessageError::NotApplication));
    assert!(welcome_references(&sent.commit).is_err());

    let application = at_alice.create_message(&alice.provider, &alice.signer, b"hello").unwrap();
    let as_commit = |commit: Vec<u8>| Sent { commit, ..sent.clone() };
    assert_eq!(ds.refusal(&as_commit(application.to_bytes().unwrap())), CommitError::NotACommit);
    assert_eq!(ds.refusal(&as_commit(ds.group_info.clone())), CommitError::NotACommit);
    let leave = at_alice.leave_group(&alice.provider, &alice.signer).unwrap();
    assert_eq!(ds.refusal(&as_commit(leave.to_bytes().unwrap())), CommitError::NotACommit);
    at_alice.clear_pending_proposals(alice.provider.storage()).unwrap();

    let encrypted =
        MlsGroupJoinConfig::builder().wire_format_policy(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY).build();
    at_alice.set_configuration(alice.provider.storage(), &encrypted).unwrap();
    let sent = alice.commit(&mut at_alice, b"", |b| b.force_self_update(true));
    assert_eq!(ds.refusal(&sent), CommitError::NotACommit);
    assert_eq!(check_application_message(&sent.commit), Err(ApplicationMessageError::NotApplication));
    at_alice.set_configuration(alice.provider.storage(), &join_config()).unwrap();
}

#[test]
fn groups_that_are_not_new_or_not_consistent() {
    let (alice, at_alice, ..) = pair();
    let crypto = MlsCrypto::new([5; 32]);
    let tree = at_alice.export_ratchet_tree().tls_serialize_detached().unwrap();
    let info = alice.group_info(&at_alice);
    let (state, _) = GroupState::create(&crypto, &tree, &info).unwrap();
    assert!(state.check_fresh().is_err());

    let other = Client::new(3).new_group(extensions(&Client::new(9), b""));
    let other_tree = other.export_ratchet_tree().tls_serialize_detached().unwrap();
    let mixed = GroupState::create(&crypto, &other_tree, &info);
    assert!(matches!(mixed.err(), Some(ValidationError::Invalid(_))));
    for position in 0..info.len() {
        let mut forged = info.clone();
        forged[position] ^= 1;
        assert!(GroupState::create(&crypto, &tree, &forged).is_err(), "byte {position}");
    }
    let with_tree = at_alice.export_group_info(alice.provider.crypto(), &alice.signer, true).unwrap();
    let error = GroupState::create(&crypto, &tree, &with_tree.to_bytes().unwrap()).err();
    assert_eq!(error, Some(ValidationError::GroupInfo(GroupInfoError::Extensions)));
    assert!(GroupState::create(&crypto, &[0], &info).is_err());
    assert!(GroupState::create(&crypto, &info, &tree).is_err());
}

fn refused(package: &KeyPackage) -> KeyPackageError {
    let bytes = package.tls_serialize_detached().unwrap();
    let now = package.life_time().not_before();
    validate_key_package(&MlsCrypto::new([5; 32]), &bytes, now).unwrap_err()
}

#[test]
fn key_packages_that_are_not_ours() {
    let client = Client::new(1);
    let now = lifetime().not_before();
    let too_long = client.key_package(Lifetime::init(now, now + 101 * DAY));
    assert_eq!(refused(&too_long), KeyPackageError::LifetimeRange);
    let for_ever = client.key_package(Lifetime::init(0, u64::MAX));
    assert_eq!(refused(&for_ever), KeyPackageError::LifetimeRange);
    let silent = client.key_package_with(lifetime(), Extensions::empty());
    assert_eq!(refused(&silent), KeyPackageError::NoQueueConfig);
    let last_resort = Extension::LastResort(openmls::extensions::LastResortExtension::new());
    let silent = client.key_package_with(lifetime(), Extensions::single(last_resort).unwrap());
    assert_eq!(refused(&silent), KeyPackageError::NoQueueConfig);

    let build = |capabilities: Capabilities, credential: CredentialWithKey| {
        KeyPackage::builder()
            .leaf_node_capabilities(capabilities)
            .key_package_lifetime(lifetime())
            .build(CIPHERSUITE, &client.provider, &client.signer, credential)
            .unwrap()
            .into_key_package()
    };
    let basic = CredentialWithKey {
        credential: Credential::new(CredentialType::Basic, vec![1; 8]),
        signature_key: client.credential.signature_key.clone(),
    };
    assert_eq!(refused(&build(capabilities(), basic)), KeyPackageError::Leaf(LeafError::CredentialType));
    let few = Capabilities::new(
        None,
        Some(&[CIPHERSUITE, Ciphersuite::MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519]),
        None,
        None,
        Some(&[client.credential.credential.credential_type()]),
    );
    let refused_for = refused(&build(few, client.credential.clone()));
    assert_eq!(refused_for, KeyPackageError::Leaf(LeafError::Capabilities));

    let bytes = client.key_package(lifetime()).tls_serialize_detached().unwrap();
    for position in 0..bytes.len() {
        let mut forged = bytes.clone();
        forged[position] ^= 1;
        assert!(validate_key_package(&MlsCrypto::new([5; 32]), &forged, now).is_err(), "byte {position}");
    }
}

#[test]
fn an_added_key_package_that_is_not_ours() {
    let (alice, mut at_alice, .., ds) = pair();
    let now = lifetime().not_before();
    let package = Client::new(3).key_package(Lifetime::init(now, now + 101 * DAY));
    let sent = alice.commit(&mut at_alice, b"", |b| b.propose_adds([package]));
    assert_eq!(ds.refusal(&sent), CommitError::KeyPackage(KeyPackageError::LifetimeRange));
}
