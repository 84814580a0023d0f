//! The exact records that operations read and write, and the exact effects that they have.

use std::collections::BTreeSet;

use super::{fixtures::Fixture, samples::sample_request, world::Recorded};
use crate::{
    dispatch::Input,
    identifiers::LogId,
    operation::{self, Effect},
    store::{
        Key,
        RecordKind::{self, *},
    },
    wire::{operations::OperationKind, queues::DequeueRange, queuing_service::Dequeue},
};

const TREE: u8 = 1;
const MEMBERS: u8 = 2;
const REST: u8 = 3;
const PAST: u8 = 4;

fn kinds(expected: &[RecordKind]) -> BTreeSet<RecordKind> {
    expected.iter().copied().collect()
}

/// Asserts the kinds of records read, written and deleted.
fn assert_touches(recorded: &Recorded, read: &[RecordKind], written: &[RecordKind], deleted: &[RecordKind]) {
    assert_eq!(recorded.refusal(), None);
    assert_eq!(recorded.commits.len(), 1, "one attempt");
    assert_eq!(recorded.read_kinds(), kinds(read), "read");
    assert_eq!(recorded.written_kinds(), kinds(written), "written");
    assert_eq!(recorded.deleted_kinds(), kinds(deleted), "deleted");
    let expected: BTreeSet<Key> = recorded.commit().expect.iter().map(|e| e.key.clone()).collect();
    assert_eq!(expected, recorded.read_keys(), "all that was read is expected to be still so");
}

/// Returns the sections of groups that are among `keys`.
fn sections<'a>(keys: impl IntoIterator<Item = &'a Key>) -> BTreeSet<u8> {
    keys.into_iter().filter(|key| key.kind() == GroupSection).map(|key| key.name()[16]).collect()
}

fn written_sections(recorded: &Recorded) -> BTreeSet<u8> {
    sections(recorded.commit().writes.iter().filter(|w| w.bytes.is_some()).map(|write| &write.key))
}

fn run(kind: OperationKind) -> (Fixture, Recorded) {
    let mut fixture = Fixture::new();
    let sample = sample_request(&mut fixture, kind);
    let recorded = fixture.send(&sample);
    (fixture, recorded)
}

#[test]
fn sending_a_message_reads_head_and_members_and_never_the_tree() {
    let mut fixture = Fixture::new();
    let (mut group, ..) = fixture.shared_group();
    let message = group.message(b"hello");
    let recorded = fixture.send(&message);
    let read = [RememberedAnswer, GroupHead, GroupSection, Nullifier];
    let written = [RememberedAnswer, GroupHead, Nullifier, FanOutRow, Timer];
    assert_touches(&recorded, &read, &written, &[]);
    assert_eq!(sections(&recorded.read_keys()), [MEMBERS].into());
    assert_eq!(recorded.commit().writes.len(), 5, "for groups of any size");
    let rounds: Vec<BTreeSet<RecordKind>> =
        recorded.reads.iter().map(|reads| reads.keys.iter().map(Key::kind).collect()).collect();
    // The last round brings the group, so what is decrypted and verified then is done once.
    assert_eq!(rounds, [kinds(&[RememberedAnswer, Nullifier]), kinds(&[GroupHead, GroupSection])]);
    let log = LogId::Group(group.access.group_id.uuid);
    let wake = Effect::Wake { timer: operation::Timer::Distribute(log), due: fixture.world.now };
    assert_eq!(recorded.effects, [wake]);
}

#[test]
fn a_message_of_another_epoch_spends_its_token_and_is_remembered_and_that_is_all() {
    let mut fixture = Fixture::new();
    let (mut group, ..) = fixture.shared_group();
    let late = group.message(b"late");
    let update = group.update();
    assert_eq!(fixture.send(&update).refusal(), None);
    let bytes = fixture.bytes(&late);
    let recorded = fixture.world.request(&late.domain, &bytes);
    assert_eq!(recorded.refusal(), Some(crate::error::Refusal::WrongEpoch { current: 2 }));
    assert_eq!(recorded.written_kinds(), kinds(&[Nullifier, RememberedAnswer]));
    assert_eq!((recorded.deleted_kinds(), recorded.effects.clone()), (kinds(&[]), vec![]));
    let again = fixture.world.request(&late.domain, &bytes);
    assert_eq!(again.reply, recorded.reply);
    assert!(again.commit().writes.is_empty());
}

#[test]
fn dequeueing_writes_only_where_entries_are_acknowledged() {
    let (mut fixture, recorded) = run(OperationKind::Dequeue);
    assert_touches(&recorded, &[QsClient, FanOutQueue, FanOutQueueEntry], &[], &[]);
    assert_eq!(recorded.effects, []);
    let body = Dequeue { range: DequeueRange { first: 1, maximum: 10, generation: 0, last: None } };
    let home = fixture.home.clone();
    let owner = fixture.alice.as_queue_owner();
    let recorded = fixture.send(&super::fixtures::Sample::new(&home, &body, Some(owner)));
    assert_touches(&recorded, &[QsClient, FanOutQueue], &[FanOutQueue], &[FanOutQueueEntry]);
    assert_eq!(recorded.effects, []);
}

#[test]
fn listening_reads_the_record_and_is_granted_once_that_is_confirmed() {
    let (mut fixture, recorded) = run(OperationKind::Listen);
    assert_touches(&recorded, &[QsClient], &[], &[]);
    assert_eq!(recorded.effects, [Effect::Listening(fixture.alice.client)]);

    // The record goes while the request is under way: the commit conflicts, and nothing is granted.
    let sample = sample_request(&mut fixture, OperationKind::Listen);
    let (home, bytes) = (fixture.home.clone(), fixture.bytes(&sample));
    let mut running = fixture.world.begin(&home, Input::Request(&bytes));
    let commit = fixture.world.until_commit(&mut running).unwrap();
    let [record] = commit.expect.iter().map(|expected| &expected.key).collect::<Vec<_>>()[..] else {
        panic!("the record alone")
    };
    fixture.world.store_mut(&home).remove(record);
    fixture.world.settle_commit(&mut running, commit);
    let recorded = fixture.world.finish(running);
    assert_eq!(recorded.refusal(), Some(crate::error::Refusal::Unauthenticated));
    assert_eq!(recorded.effects, []);
}

#[test]
fn issuing_tokens_touches_the_allowance_of_the_client_alone() {
    let (mut fixture, recorded) = run(OperationKind::IssueTokens);
    let written = [RememberedAnswer, ClientAllowance];
    assert_touches(&recorded, &[RememberedAnswer, Client, ClientAllowance], &written, &[]);
    assert_eq!((recorded.asks.len(), recorded.effects.len()), (0, 0));

    // A client of another homeserver: this reads that homeserver's allowance and keys, and no record of a
    // client.
    let away = fixture.away.clone();
    let (_, sample) = fixture.token_request(false, &away, 2);
    let recorded = fixture.send(&sample);
    let allowances = [RememberedAnswer, ClientAllowance, DomainAllowance, NewDomainAllowance];
    let read = [&allowances[..], &[PeerKeys]].concat();
    assert_touches(&recorded, &read, &allowances, &[]);
    assert!(recorded.asks.is_empty(), "the keys are there since the first request");
}

#[test]
fn a_new_record_is_five_rows_under_fresh_names_and_the_spent_token() {
    let (_, recorded) = run(OperationKind::CreateUserRecord);
    let written = [RememberedAnswer, Nullifier, QsUser, QsClient, FanOutQueue, FanOutQueueEntry];
    assert_touches(&recorded, &[RememberedAnswer, Nullifier], &written, &[]);
    assert_eq!(recorded.commit().writes.len(), 6);
    assert_eq!(recorded.effects, []);
}

#[test]
fn replacing_a_queue_configuration_writes_the_members_and_nothing_is_fanned_out() {
    let (_, recorded) = run(OperationKind::UpdateQueueInfo);
    let read = [RememberedAnswer, GroupHead, GroupSection, Nullifier];
    assert_touches(&recorded, &read, &[RememberedAnswer, GroupHead, GroupSection, Nullifier], &[]);
    assert_eq!(sections(&recorded.read_keys()), [MEMBERS, REST].into());
    assert_eq!(written_sections(&recorded), [MEMBERS].into());
    assert_eq!(recorded.effects, []);
}

#[test]
fn a_joiner_that_replaces_its_configuration_lets_its_welcome_information_go() {
    let mut fixture = Fixture::new();
    let (group, bob, _) = fixture.shared_group();
    let id = group.access.group_id.clone();
    let not_after = fixture.world.now + crate::time::DAY;
    let queue_config = fixture.bob.bound(&mut fixture.random, &id, not_after);
    let body = crate::wire::delivery_service::UpdateQueueInfo { group: group.access.clone(), queue_config };
    let signer = super::groups::as_leaf(1, &bob.key);
    let recorded = fixture.send(&super::fixtures::Sample::new(&id.domain, &body, signer));
    assert_eq!(recorded.refusal(), None);
    assert_eq!(written_sections(&recorded), [MEMBERS, REST].into());
    let deleted = recorded.commit().writes.iter().filter(|w| w.bytes.is_none()).map(|write| &write.key);
    assert_eq!(sections(deleted), [PAST].into());
}

#[test]
fn handing_out_a_key_package_deletes_it_and_the_last_resort_stays() {
    let mut fixture = Fixture::new();
    let sample = sample_request(&mut fixture, OperationKind::GetKeyPackage);
    let read = [RememberedAnswer, QsUser, Nullifier, KeyPackagePool, KeyPackage];
    for _ in 0..2 {
        let recorded = fixture.send(&sample);
        assert_touches(&recorded, &read, &[RememberedAnswer, Nullifier, KeyPackagePool], &[KeyPackage]);
        assert_eq!(recorded.effects, []);
    }
    for _ in 0..3 {
        assert_touches(&fixture.send(&sample), &read, &[RememberedAnswer, Nullifier], &[]);
    }
}

#[test]
fn a_commit_writes_all_sections_under_new_generations_and_leaves_one_row_to_fan_out() {
    let (_, recorded) = run(OperationKind::AddUsers);
    assert_eq!(recorded.refusal(), None);
    assert_eq!(written_sections(&recorded), [TREE, MEMBERS, REST, PAST].into());
    let rows = recorded.commit().writes.iter().filter(|write| write.key.kind() == FanOutRow);
    assert_eq!(rows.count(), 1, "however many get it");
    let (_, recorded) = run(OperationKind::UpdateClient);
    assert_eq!(written_sections(&recorded), [TREE, MEMBERS, REST].into());
    assert_eq!(recorded.effects.len(), 1);
}

#[test]
fn public_keys_are_answered_without_the_store() {
    let mut fixture = Fixture::new();
    for kind in [
        OperationKind::GetAsCredentials,
        OperationKind::GetTokenKeys,
        OperationKind::GetConfigKey,
        OperationKind::GetQsKeys,
        OperationKind::GetDsKeys,
    ] {
        let sample = sample_request(&mut fixture, kind);
        let recorded = fixture.send(&sample);
        assert_eq!(recorded.refusal(), None);
        assert!(recorded.reads.is_empty() && recorded.commits.is_empty(), "{kind:?}");
    }
}

#[test]
fn distributing_never_asks_the_network_and_ends_without_a_trace() {
    let mut fixture = Fixture::new();
    let (mut group, ..) = fixture.shared_group();
    let message = group.message(b"hello");
    assert_eq!(fixture.send(&message).refusal(), None);
    let home = fixture.home.clone();
    let log = operation::Timer::Distribute(LogId::Group(group.access.group_id.uuid));
    while fixture.world.store(&home).count(FanOutRow) > 0 {
        let recorded = fixture.world.timer(&home, &log);
        assert!(recorded.asks.is_empty());
        assert!(!recorded.effects.is_empty(), "there is more to do");
    }
    assert_eq!(fixture.world.store(&home).count(FanOutRow), 0);
    let recorded = fixture.world.timer(&home, &log);
    assert_eq!(recorded.effects, [], "nothing left to do");
}
