//! A damaged row concerns the operations that read it and no others: they are refused and make nothing of it.

use std::collections::BTreeSet;

use super::{fixtures::Fixture, samples::sample_request};
use crate::{
    error::Refusal,
    store::RecordKind::{self, *},
    wire::operations::OperationKind,
};

/// Serves a valid request for `kind` after a byte of each `damaged` record was changed. Returns why the
/// request was refused, and the kinds of records that it changed.
fn serve(
    kind: OperationKind,
    damaged: RecordKind,
    place: impl Fn(usize) -> usize,
) -> (Option<Refusal>, BTreeSet<RecordKind>) {
    let mut fixture = Fixture::new();
    let sample = sample_request(&mut fixture, kind);
    let bytes = fixture.bytes(&sample);
    let store = fixture.world.store_mut(&sample.domain);
    for key in store.keys_of(damaged) {
        let row = &mut store.get_mut(&key).unwrap().bytes;
        let place = place(row.len());
        row[place] ^= 1;
    }
    let before = store.clone();
    let recorded = fixture.world.request(&sample.domain, &bytes);
    assert_eq!(recorded.effects, [], "{kind:?}, {damaged:?}");
    (recorded.refusal(), fixture.world.store(&sample.domain).changed_kinds(&before))
}

#[test]
fn what_is_damaged_is_refused_and_nothing_is_made_of_it() {
    let spent: BTreeSet<RecordKind> = [Nullifier, RememberedAnswer].into();
    let cases = [
        (OperationKind::FinishRegistration, PendingRegistration, BTreeSet::new()),
        (OperationKind::Dequeue, FanOutQueue, BTreeSet::new()),
        (OperationKind::DequeueDirect, DirectQueue, BTreeSet::new()),
        (OperationKind::EnqueueDirect, DirectQueue, spent.clone()),
        (OperationKind::GetKeyPackage, KeyPackage, spent),
        (OperationKind::SendMessage, GroupSection, BTreeSet::new()),
        (OperationKind::UpdateClient, GroupSection, BTreeSet::new()),
        (OperationKind::AddUsers, GroupSection, BTreeSet::new()),
    ];
    for (kind, damaged, expected) in cases {
        let stored_data = Refusal::StoredData { kind: damaged as u8 };
        // Only members can tell a group's state that is damaged from one under another key.
        let unopened = if damaged == GroupSection { Refusal::NoSuchGroup } else { stored_data.clone() };
        let (refusal, changed) = serve(kind, damaged, |_| 0);
        assert_eq!((refusal, &changed), (Some(stored_data), &expected), "{kind:?}, the format");
        let (refusal, changed) = serve(kind, damaged, |length| length / 2);
        assert_eq!((refusal, &changed), (Some(unopened.clone()), &expected), "{kind:?}, the middle");
        let (refusal, changed) = serve(kind, damaged, |length| length - 1);
        assert_eq!((refusal, &changed), (Some(unopened), &expected), "{kind:?}, the end");
    }
}
