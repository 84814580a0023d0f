//! PROTOCOL.md §8 — creating a group: a caller without the right to is refused before MLS looks at anything.

use std::collections::BTreeSet;

use crate::{
    codec::{Flag, decode, encode},
    crypto::sign::SigningKey,
    error::Refusal,
    identifiers::GroupUuid,
    limits::MAX_FIRST_STATE,
    store::{Key, RecordKind},
    testing::fixtures::{Fixture, Sample},
    wire::{delivery_service::CreateGroup, envelope::Sender, message::Done},
};

fn changed(sample: &Sample, change: impl FnOnce(&mut CreateGroup)) -> Sample {
    let mut body: CreateGroup = decode(&sample.body).unwrap();
    change(&mut body);
    Sample { body: encode(&body), ..sample.clone() }
}

/// Makes the GroupInfo one that only MLS can tell from a good one.
fn spoil_group_info(body: &mut CreateGroup) {
    let mut group_info = body.group_info.as_slice().to_vec();
    *group_info.last_mut().unwrap() ^= 1;
    body.group_info = group_info.try_into().unwrap();
}

#[test]
fn without_reservation_signature_or_token_mls_is_not_troubled() {
    let mut fixture = Fixture::new();
    let (group, sample) = fixture.group_request(Flag::No);
    let spoiled = changed(&sample, spoil_group_info);
    assert_eq!(fixture.answer::<Done>(&spoiled), Err(Refusal::InvalidGroupState));

    let unreserved = changed(&spoiled, |body| body.group.group_id.uuid = GroupUuid([9; 16]));
    assert_eq!(fixture.answer::<Done>(&unreserved), Err(Refusal::NotReserved));
    let stranger = Some((Sender::Leaf(0), SigningKey::from_bytes(&[9; 32])));
    let elsewhere = Some((Sender::Leaf(1), group.leaf.key.clone()));
    for signer in [None, stranger, elsewhere] {
        let forged = Sample { signer, ..spoiled.clone() };
        assert_eq!(fixture.answer::<Done>(&forged), Err(Refusal::Unauthenticated));
    }
    let without_token = spoiled.envelope(fixture.world.now, fixture.request_id(), None);
    let refused = fixture.world.request(&sample.domain, &encode(&without_token));
    assert_eq!(refused.refusal(), Some(Refusal::TokenNeeded));

    assert_eq!(fixture.answer::<Done>(&sample), Ok(Done), "the reservation is as good as before");
}

#[test]
fn a_tree_of_more_than_the_creator_is_refused_by_its_size_or_at_a_glance() {
    let mut fixture = Fixture::new();
    let (_, sample) = fixture.group_request(Flag::No);
    let two_members = fixture.shared_group().0.mls.export_ratchet_tree();
    let two_members = changed(&sample, |body| body.ratchet_tree = encode(&two_members).try_into().unwrap());
    let refused = fixture.send(&two_members);
    assert_eq!(refused.refusal(), Some(Refusal::InvalidGroupState));
    assert_eq!(refused.commit().writes, [], "not even the token was looked at");

    // As the request would be if there was no limit: the tree is the first vector that is this long.
    let body: CreateGroup = decode(&sample.body).unwrap();
    let tree = encode(&body.ratchet_tree);
    let oversize = crate::codec::Bytes::<{ 2 * MAX_FIRST_STATE }>::new(vec![0; MAX_FIRST_STATE + 1]);
    let at = sample.body.windows(tree.len()).position(|window| window == tree).unwrap();
    let mut large = sample.body.clone();
    large.splice(at..at + tree.len(), encode(&oversize.unwrap()));
    let refused = fixture.send(&Sample { body: large, ..sample });
    assert_eq!((refused.refusal(), refused.reads.len()), (Some(Refusal::Malformed), 0));
}

#[test]
fn an_honest_creation_is_validated_in_one_pass() {
    let mut fixture = Fixture::new();
    let (_, sample) = fixture.group_request(Flag::No);
    let recorded = fixture.send(&sample);
    assert_eq!(recorded.refusal(), None);
    let rounds: Vec<BTreeSet<RecordKind>> =
        recorded.reads.iter().map(|reads| reads.keys.iter().map(Key::kind).collect()).collect();
    let before = [RecordKind::RememberedAnswer, RecordKind::Nullifier].into();
    assert_eq!(rounds, [before, [RecordKind::GroupReservation, RecordKind::GroupHead].into()]);
}
