//! PROTOCOL.md §8, MLS profile — what a client of another MLS implementation, or a test of one, reads with.

use openmls::prelude::OpenMlsProvider as _;
use tls_codec::Serialize as _;

use super::{
    super::{
        CIPHERSUITE, GroupInfoError, GroupInfoUpdate, GroupInfoView, RatchetTree, encoding::parse_message,
    },
    client::{Client, GROUP_ID, Service, extensions, leaf, lifetime},
};

/// The tree as it is, as the group's context has it and as it travels.
fn assert_hash(ds: &Service) {
    let tree = RatchetTree::from_bytes(&ds.state.export_tree()).unwrap();
    assert_eq!(tree.tree_hash(), ds.state.tree_hash());
    let info = GroupInfoView::from_bytes(&ds.group_info).unwrap();
    assert_eq!(info.tree_hash, ds.state.tree_hash());
    let leaves = (0..40).filter(|index| tree.leaf(*index).is_some()).collect::<Vec<_>>();
    assert_eq!(leaves, ds.indices());
}

#[test]
fn the_tree_hash_is_the_one_in_the_groups_context() {
    let (alice, service) = (Client::new(1), Client::new(9));
    let mut at_alice = alice.new_group(extensions(&service, b"roles"));
    let mut ds = Service::create(&alice, &at_alice);
    assert_hash(&ds);
    // Trees of every width up to eighteen leaves, without and with parents, then with gaps and narrower
    // again.
    for seed in 10..27 {
        let package = Client::new(seed).key_package(lifetime());
        ds.accept(
            &alice.commit(&mut at_alice, b"", |b| b.force_self_update(seed % 3 == 0).propose_adds([package])),
        );
        alice.merge_own(&mut at_alice);
        assert_hash(&ds);
    }
    for removed in [&[3, 4][..], &[16, 17], &[8, 9, 10, 11, 12, 13, 14, 15], &[1, 2, 5, 6, 7]] {
        let removed = removed.iter().map(|index| leaf(*index)).collect::<Vec<_>>();
        ds.accept(&alice.commit(&mut at_alice, b"", |b| b.propose_removals(removed)));
        alice.merge_own(&mut at_alice);
        assert_hash(&ds);
    }
    assert_eq!(ds.indices(), [0]);
}

#[test]
fn a_tree_has_one_encoding() {
    let (alice, service) = (Client::new(1), Client::new(9));
    let mut at_alice = alice.new_group(extensions(&service, b""));
    let mut ds = Service::create(&alice, &at_alice);
    let package = Client::new(10).key_package(lifetime());
    ds.accept(&alice.commit(&mut at_alice, b"", |b| b.propose_adds([package])));
    let bytes = ds.state.export_tree();
    assert!(RatchetTree::from_bytes(&bytes).is_ok());
    for length in 0..bytes.len() {
        assert!(RatchetTree::from_bytes(&bytes[..length]).is_err(), "cut off at {length}");
    }
    // Its length takes two bytes.
    let (length, nodes) = (u16::from_be_bytes([bytes[0], bytes[1]]) & 0x3fff, &bytes[2..]);
    let tree = |nodes: &[u8]| [&(0x4000 | nodes.len() as u16).to_be_bytes(), nodes].concat();
    assert_eq!((usize::from(length), tree(nodes)), (nodes.len(), bytes.clone()));
    let refused = |bytes: &[u8]| assert!(RatchetTree::from_bytes(bytes).is_err());
    refused(&[bytes.as_slice(), &[0]].concat());
    let long = (0x8000_0000 | u32::from(length)).to_be_bytes();
    refused(&[&long, nodes].concat());
    // A blank at the end; and leaves where parents belong.
    refused(&tree(&[nodes, &[0]].concat()));
    refused(&tree(&[&[0], nodes].concat()));
}

#[test]
fn a_group_info_update_comes_from_the_bytes_of_a_group_info() {
    let (alice, service) = (Client::new(1), Client::new(9));
    let mut at_alice = alice.new_group(extensions(&service, b""));
    let mut ds = Service::create(&alice, &at_alice);
    let sent = alice.commit(&mut at_alice, b"", |b| b.force_self_update(true));
    let message = ds.accept(&sent).group_info.into_vec();
    alice.merge_own(&mut at_alice);
    let bare = &message[4..];
    for bytes in [message.as_slice(), bare] {
        assert_eq!(GroupInfoUpdate::from_bytes(bytes), Ok(sent.update.clone()));
        for length in 0..bytes.len() {
            assert_eq!(GroupInfoUpdate::from_bytes(&bytes[..length]), Err(GroupInfoError::Malformed));
        }
        let longer = [bytes, &[0]].concat();
        assert_eq!(GroupInfoUpdate::from_bytes(&longer), Err(GroupInfoError::Malformed));
    }
    assert_eq!(GroupInfoUpdate::from_bytes(&sent.commit), Err(GroupInfoError::Malformed));
    let with_tree = at_alice.export_group_info(alice.provider.crypto(), &alice.signer, true).unwrap();
    let with_tree = with_tree.to_bytes().unwrap();
    assert_eq!(GroupInfoUpdate::from_bytes(&with_tree), Err(GroupInfoError::Extensions));
    assert!(GroupInfoView::from_bytes(&with_tree).is_ok());
}

#[test]
fn a_group_info_shows_what_a_delivery_service_compares() {
    let (alice, bob, service) = (Client::new(1), Client::new(2), Client::new(9));
    let mut at_alice = alice.new_group(extensions(&service, b"roles"));
    let mut ds = Service::create(&alice, &at_alice);
    let first = GroupInfoView::from_bytes(&alice.group_info(&at_alice)).unwrap();
    assert_eq!((first.epoch, first.signer, first.confirmed_transcript_hash.len()), (0, 0, 0));
    let sent = alice.commit(&mut at_alice, b"", |b| b.propose_adds([bob.key_package(lifetime())]));
    ds.accept(&sent);
    let mut at_bob = bob.join(&sent.welcome.unwrap(), &ds.state.export_tree());
    let sent = bob.commit(&mut at_bob, b"", |b| b.force_self_update(true));
    ds.accept(&sent);

    let view = GroupInfoView::from_bytes(&ds.group_info).unwrap();
    assert_eq!(GroupInfoView::from_bytes(&ds.group_info[4..]).as_ref(), Ok(&view));
    assert_eq!((view.ciphersuite, view.group_id.as_slice()), (CIPHERSUITE.into(), GROUP_ID));
    assert_eq!((view.epoch, view.signer), (2, 1));
    assert_eq!(view.roles.as_deref(), Some(&b"roles"[..]));
    assert_eq!(view.external_senders, ds.state.external_senders());
    assert_eq!(view.group_context, ds.state.group_context());
    assert_eq!(view.confirmed_transcript_hash.len(), 32);
    let commit = parse_message(&sent.commit).unwrap().tls_serialize_detached().unwrap();
    let tag = view.confirmation_tag.as_slice();
    assert!(tag.len() == 32 && commit.windows(tag.len()).any(|window| window == tag));
    assert!(GroupInfoView::from_bytes(&sent.commit).is_err());
}
