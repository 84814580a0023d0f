//! PROTOCOL.md §8 — what is accepted, and what the delivery service learns from it.

use std::sync::Arc;

use openmls::prelude::{
    Extension, LeafNodeParameters, NewSignerBundle, OpenMlsProvider as _, UnknownExtension,
};
use tls_codec::Serialize as _;

use super::{
    super::{
        CommitSender, CommittedProposal, GroupInfoUpdate, KeyPackageLifetime, ProposalError, ProposalKind,
        ROLES_EXTENSION, capabilities, check_application_message, key_package_reference,
        validate_key_package, welcome_references,
    },
    client::{Client, DAY, GROUP_ID, QUEUE_CONFIG, Sent, Service, credential, extensions, leaf, lifetime},
};
use crate::crypto::{hash_memo::HashMemo, provider::MlsCrypto, sign::SigningKey};

#[test]
fn add_update_and_messages() {
    let (alice, bob, service) = (Client::new(1), Client::new(2), Client::new(9));
    let mut at_alice = alice.new_group(extensions(&service, b"roles"));
    let mut ds = Service::create(&alice, &at_alice);
    assert_eq!(ds.state.group_id(), GROUP_ID);
    assert_eq!(ds.state.roles().unwrap(), b"roles");
    assert_eq!(ds.state.external_senders()[0].signature_key, service.signer.verifying_key().0);
    assert_eq!(ds.state.external_senders()[0].credential, [9; 90]);

    let package = bob.key_package(lifetime());
    let sent = alice.commit(&mut at_alice, b"encrypted credentials", |b| {
        b.force_self_update(true).propose_adds([package.clone()])
    });
    let summary = ds.accept(&sent);
    assert_eq!(summary.sender, CommitSender::Member(0));
    assert_eq!(summary.authenticated_data, b"encrypted credentials");
    assert!(summary.is_only_inline(ProposalKind::Add) && summary.has_path && !summary.group_context_changes);
    let [add] = summary.adds.as_slice() else { panic!("one add") };
    assert_eq!((add.leaf, add.view.queue_config.as_slice()), (1, QUEUE_CONFIG));
    assert_eq!(add.view.credential, [2; 90]);
    let bytes = package.tls_serialize_detached().unwrap();
    assert_eq!(add.key_package, bytes);
    assert_eq!(add.view, validate_key_package(&ds.crypto, &bytes, package.life_time().not_before()).unwrap());
    let welcome = sent.welcome.unwrap();
    assert_eq!(welcome_references(&welcome).unwrap(), std::slice::from_ref(&add.view.reference));
    assert_eq!(key_package_reference(&ds.crypto, &bytes).unwrap(), add.view.reference);
    alice.merge_own(&mut at_alice);
    let mut at_bob = bob.join(&welcome, &ds.state.export_tree());

    let sent = bob.commit(&mut at_bob, b"", |b| b.force_self_update(true));
    let summary = ds.accept(&sent);
    assert_eq!(summary.committer.index, 1);
    assert!(summary.proposals.is_empty() && summary.has_path && summary.covers_pending);
    bob.merge_own(&mut at_bob);
    alice.receive(&mut at_alice, &sent.commit);
    assert_eq!(at_alice.epoch_authenticator().as_slice(), at_bob.epoch_authenticator().as_slice());

    let message = at_alice.create_message(&alice.provider, &alice.signer, b"hello").unwrap();
    let view = check_application_message(&message.to_bytes().unwrap()).unwrap();
    assert_eq!((view.group_id.as_slice(), view.epoch), (GROUP_ID, ds.state.epoch()));
}

#[test]
fn leaves_are_refilled_from_the_left() {
    let (alice, service) = (Client::new(1), Client::new(9));
    let mut at_alice = alice.new_group(extensions(&service, b""));
    let mut ds = Service::create(&alice, &at_alice);
    let packages: Vec<_> = (10..16).map(|seed| Client::new(seed).key_package(lifetime())).collect();
    let summary = ds.accept(&alice.commit(&mut at_alice, b"", |b| b.propose_adds(packages[..5].to_vec())));
    alice.merge_own(&mut at_alice);
    assert_eq!(summary.adds.iter().map(|add| add.leaf).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);

    let sent = alice.commit(&mut at_alice, b"", |b| {
        b.propose_removals([leaf(4), leaf(2)]).propose_adds([packages[5].clone()])
    });
    let summary = ds.accept(&sent);
    alice.merge_own(&mut at_alice);
    let mut removed: Vec<_> = summary.removes.iter().map(|remove| remove.leaf).collect();
    removed.sort_unstable();
    assert_eq!(removed, [2, 4]);
    assert_eq!(summary.adds[0].leaf, 2);
    assert_eq!(ds.indices(), [0, 1, 2, 3, 5]);

    // Removing all others, as when a group is deleted.
    let summary = ds.accept(
        &alice.commit(&mut at_alice, b"", |b| b.propose_removals([leaf(1), leaf(2), leaf(3), leaf(5)])),
    );
    alice.merge_own(&mut at_alice);
    assert!(summary.is_only_inline(ProposalKind::Remove));
    assert_eq!(ds.indices(), [0]);

    let packages: Vec<_> = (20..23).map(|seed| Client::new(seed).key_package(lifetime())).collect();
    let sent = alice.commit(&mut at_alice, b"", |b| b.force_self_update(false).propose_adds(packages));
    let summary = ds.accept(&sent);
    assert!(!summary.has_path);
    assert_eq!(summary.adds.iter().map(|add| add.leaf).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn roles_change_and_credentials_rotate() {
    let (alice, service) = (Client::new(1), Client::new(9));
    let mut at_alice = alice.new_group(extensions(&service, b"old"));
    let mut ds = Service::create(&alice, &at_alice);
    let mut changed = extensions(&service, b"old");
    changed.add_or_replace(Extension::Unknown(ROLES_EXTENSION, UnknownExtension(b"new".to_vec()))).unwrap();
    let summary = ds
        .accept(&alice.commit(&mut at_alice, b"", |b| b.propose_group_context_extensions(changed).unwrap()));
    alice.merge_own(&mut at_alice);
    assert!(summary.group_context_changes && summary.is_only_inline(ProposalKind::GroupContextExtensions));
    assert_eq!(ds.state.roles().unwrap(), b"new");

    let new_signer = SigningKey::from_bytes(&[77; 32]);
    let bundle =
        NewSignerBundle { signer: &new_signer, credential_with_key: credential(&new_signer, b"next") };
    let bundle = at_alice
        .commit_builder()
        .leaf_node_parameters(LeafNodeParameters::builder().with_capabilities(capabilities()).build())
        .load_psks(alice.provider.storage())
        .unwrap()
        .create_group_info(true)
        .use_ratchet_tree_extension(false)
        .build_with_new_signer(alice.provider.rand(), alice.provider.crypto(), &alice.signer, bundle, |_| {
            true
        })
        .unwrap()
        .stage_commit(&alice.provider)
        .unwrap();
    let update = GroupInfoUpdate::from_group_info(bundle.group_info().unwrap()).unwrap();
    let summary = ds.accept(&Sent { commit: bundle.commit().to_bytes().unwrap(), welcome: None, update });
    assert_eq!(summary.committer.credential, b"next");
    assert_eq!(summary.committer.signature_key, new_signer.verifying_key());
}

#[test]
fn joining_and_rejoining_from_outside() {
    let (alice, bob, carol, service) = (Client::new(1), Client::new(2), Client::new(3), Client::new(9));
    let mut at_alice = alice.new_group(extensions(&service, b""));
    let mut ds = Service::create(&alice, &at_alice);
    let (mut at_bob, sent) = bob.join_externally(&ds.group_info, &ds.state.export_tree());
    let summary = ds.accept(&sent);
    assert_eq!((summary.sender, summary.committer.index), (CommitSender::NewMember, 1));
    assert_eq!(summary.authenticated_data, b"external");
    assert_eq!(
        summary.proposals,
        [CommittedProposal { kind: ProposalKind::ExternalInit, by_reference: false }]
    );
    assert_eq!((summary.adds.len(), summary.removes.len()), (0, 0));
    alice.receive(&mut at_alice, &sent.commit);

    let (_, sent) = carol.join_externally(&ds.group_info, &ds.state.export_tree());
    assert_eq!(ds.accept(&sent).committer.index, 2);
    alice.receive(&mut at_alice, &sent.commit);
    bob.receive(&mut at_bob, &sent.commit);

    let restored = bob.without_state(22);
    let before = ds.state.leaf(1).unwrap();
    let (mut at_restored, sent) = restored.join_externally(&ds.group_info, &ds.state.export_tree());
    let summary = ds.accept(&sent);
    assert_eq!(summary.removes.iter().map(|remove| remove.leaf).collect::<Vec<_>>(), [1]);
    assert_eq!(summary.committer, before, "the same leaf, with the same credential");
    alice.receive(&mut at_alice, &sent.commit);

    // All follow, and the fresh GroupInfo is of use.
    let sent = alice.commit(&mut at_alice, b"", |b| b.force_self_update(true));
    ds.accept(&sent);
    alice.merge_own(&mut at_alice);
    restored.receive(&mut at_restored, &sent.commit);
    assert_eq!(at_alice.epoch_authenticator().as_slice(), at_restored.epoch_authenticator().as_slice());
    assert_eq!(ds.indices(), [0, 1, 2]);
}

#[test]
fn the_service_removes_members() {
    let (alice, bob, carol, service) = (Client::new(1), Client::new(2), Client::new(3), Client::new(9));
    let mut at_alice = alice.new_group(extensions(&service, b""));
    let mut ds = Service::create(&alice, &at_alice);
    let packages = [bob.key_package(lifetime()), carol.key_package(lifetime())];
    ds.accept(&alice.commit(&mut at_alice, b"", |b| b.propose_adds(packages)));
    alice.merge_own(&mut at_alice);

    let unaware = alice.commit(&mut at_alice, b"", |b| b.force_self_update(true));
    at_alice.clear_pending_commit(alice.provider.storage()).unwrap();
    let early = ds.stage(&unaware).unwrap();
    let proposal = ds.state.propose_removal(&ds.crypto, &service.signer, 0, 2).unwrap();
    assert!(ds.state.merge(early).is_err(), "checked before there was a proposal");
    let again = ds.state.propose_removal(&ds.crypto, &service.signer, 0, 2);
    assert_eq!(again, Err(ProposalError::AlreadyProposed));
    let nobody = ds.state.propose_removal(&ds.crypto, &service.signer, 0, 3);
    assert_eq!(nobody, Err(ProposalError::NoSuchMember));
    let forged = ds.state.propose_removal(&ds.crypto, &bob.signer, 0, 1);
    assert!(matches!(forged, Err(ProposalError::Invalid(_))));
    let unknown = ds.state.propose_removal(&ds.crypto, &service.signer, 1, 1);
    assert!(matches!(unknown, Err(ProposalError::Invalid(_))));
    ds.reload();
    assert_eq!(ds.state.pending_proposals().iter().map(|p| p.removed).collect::<Vec<_>>(), [2]);

    let staged = ds.stage(&unaware).unwrap();
    assert!(staged.summary().require_pending_covered().is_err());
    alice.receive(&mut at_alice, &proposal);
    let summary = ds.accept(&alice.commit(&mut at_alice, b"", |b| b.force_self_update(true)));
    alice.merge_own(&mut at_alice);
    assert!(summary.require_pending_covered().is_ok() && !summary.is_only_inline(ProposalKind::Remove));
    assert!(summary.removes[0].by_reference && summary.removes[0].leaf == 2);
    assert!(ds.state.pending_proposals().is_empty());
    assert_eq!(ds.indices(), [0, 1]);
}

#[test]
fn a_shared_memo_changes_nothing_and_stays_bounded() {
    let memo = Arc::new(HashMemo::new([3; 32], 64));
    let (alice, service) = (Client::new(1), Client::new(9));
    let mut at_alice = alice.new_group(extensions(&service, b""));
    let mut plain = Service::create(&alice, &at_alice);
    let mut remembering = Service::create(&alice, &at_alice);
    remembering.crypto = MlsCrypto::with_memo([0xD5; 32], memo.clone());
    for seed in 10..20 {
        let package = Client::new(seed).key_package(lifetime());
        let sent = alice.commit(&mut at_alice, b"", |b| b.propose_adds([package]));
        alice.merge_own(&mut at_alice);
        assert_eq!(plain.accept(&sent), remembering.accept(&sent));
        assert_eq!(plain.state.snapshot(), remembering.state.snapshot());
        assert!(memo.entries() <= 64);
    }
    assert!(memo.entries() > 0);
}

#[test]
fn key_packages_are_checked() {
    let client = Client::new(1);
    let crypto = MlsCrypto::new([5; 32]);
    let package = client.key_package(lifetime());
    let bytes = package.tls_serialize_detached().unwrap();
    let (start, end) = (package.life_time().not_before(), package.life_time().not_after());
    let view = validate_key_package(&crypto, &bytes, start + DAY).unwrap();
    let lifetime = KeyPackageLifetime { not_before: start, not_after: end };
    assert_eq!((view.lifetime, view.last_resort), (lifetime, false));
    assert_eq!(view.signature_key, client.signer.verifying_key());
    for (now, valid) in [(start - 1, false), (start, true), (end - 1, true), (end, false)] {
        assert_eq!(validate_key_package(&crypto, &bytes, now).is_ok(), valid);
    }
}
