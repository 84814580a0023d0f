//! PROTOCOL.md §7 — queues: in order, without gaps, bounded; what does not fit leaves a marker.

use crate::{
    auth_service::direct_queue::Direct,
    codec::{Flag, decode},
    collections::queue::Head,
    crypto::{hpke::HpkePrivateKey, labels::Label, ratchet::QueueReader},
    dispatch::Input,
    error::Refusal,
    limits::MAX_ACKNOWLEDGED,
    operation::Effect,
    store::{Key, RecordKind},
    testing::{
        fixtures::{Fixture, Sample},
        groups::Group,
        samples::sample_request,
    },
    time::{DAY, MINUTE},
    wire::{
        auth_service::{DequeueDirect, EnqueueDirect},
        fan_out::{Delivery, FanOutContent, Gap, GapReason, QueueMessage},
        operations::OperationKind,
        queues::{DequeueRange, DequeueReply, fan_out_queue_name},
        queuing_service::Dequeue,
    },
};

/// The owner of a queue, who reads it.
struct Owner {
    by_bob: bool,
    reader: QueueReader,
}

impl Owner {
    fn new(fixture: &Fixture, by_bob: bool) -> Self {
        let person = if by_bob { &fixture.bob } else { &fixture.alice };
        Self { by_bob, reader: QueueReader::new(person.queue.clone()) }
    }

    fn dequeue(&self, fixture: &mut Fixture, first: u64, maximum: u32) -> Result<DequeueReply, Refusal> {
        let person = if self.by_bob { &fixture.bob } else { &fixture.alice };
        let last = self.reader.last().filter(|_| first == self.reader.next_sequence());
        let range = DequeueRange { first, maximum, generation: self.reader.generation(), last };
        let body = Dequeue { range };
        let sample = Sample::new(person.domain(), &body, Some(person.as_queue_owner()));
        fixture.answer(&sample)
    }

    /// Returns everything new, decrypted, and acknowledges what was read before.
    fn read(&mut self, fixture: &mut Fixture) -> Vec<QueueMessage> {
        let reply = self.dequeue(fixture, self.reader.next_sequence(), 500).unwrap();
        let person = if self.by_bob { &fixture.bob } else { &fixture.alice };
        let name = fan_out_queue_name(&person.client);
        let mut messages = Vec::new();
        for entry in &reply.entries {
            let started = entry.generation > self.reader.generation();
            assert!(started || entry.sequence == self.reader.next_sequence(), "without gaps");
            if let Some(plain) = self.reader.open(&name, entry).unwrap() {
                messages.push(decode(&plain).unwrap());
            }
        }
        messages
    }
}

fn send(fixture: &mut Fixture, group: &mut Group, count: usize) {
    for _ in 0..count {
        let message = group.message(b"hello");
        assert_eq!(fixture.send(&message).refusal(), None);
        fixture.world.run_until_idle();
    }
}

fn positions(messages: &[QueueMessage]) -> Vec<(u64, Option<GapReason>)> {
    let position = |message: &QueueMessage| match message {
        QueueMessage::Delivery(Delivery { position, .. }) => (*position, None),
        QueueMessage::Gap(Gap { position, reason, .. }) => (*position, Some(*reason)),
    };
    messages.iter().map(position).collect()
}

#[test]
fn what_is_sent_reaches_the_member_at_the_other_homeserver_once_and_in_order() {
    let mut fixture = Fixture::new();
    let (mut group, ..) = fixture.shared_group();
    send(&mut fixture, &mut group, 3);
    let messages = Owner::new(&fixture, true).read(&mut fixture);
    assert_eq!(positions(&messages), [(0, None), (1, None), (2, None), (3, None)]);
    for (index, message) in messages.iter().enumerate() {
        let QueueMessage::Delivery(delivery) = message else { panic!("no gaps") };
        assert_eq!(delivery.source, fixture.home, "who delivered it, is always told");
        assert_eq!(delivery.group_id, group.access.group_id);
        assert_eq!(matches!(delivery.content, FanOutContent::Welcome(_)), index == 0);
    }
    let receipts = Owner::new(&fixture, false).read(&mut fixture);
    assert_eq!(receipts.len(), 4, "the sender gets a receipt for each");
    let all = receipts.iter().all(|message| {
        matches!(message, QueueMessage::Delivery(Delivery { content: FanOutContent::Receipt(_), .. }))
    });
    assert!(all);
}

#[test]
fn a_full_queue_gets_one_marker_and_goes_on_when_there_is_room() {
    let mut fixture = Fixture::with(|config| config.sizes.fan_out_queue = 3);
    let mut group = fixture.group(Flag::No);
    send(&mut fixture, &mut group, 5);
    let mut owner = Owner::new(&fixture, false);
    let full = Some(GapReason::QueueFull);
    assert_eq!(positions(&owner.read(&mut fixture)), [(0, None), (1, None), (2, full)]);
    assert_eq!(owner.read(&mut fixture), []);
    send(&mut fixture, &mut group, 1);
    assert_eq!(positions(&owner.read(&mut fixture)), [(5, None)]);
}

#[test]
fn too_many_in_a_minute_leave_a_marker_and_the_next_minute_is_a_new_one() {
    let mut fixture = Fixture::with(|config| config.rates.membership_per_minute = 2);
    let (mut noisy, mut quiet) = (fixture.group(Flag::No), fixture.group(Flag::No));
    send(&mut fixture, &mut noisy, 4);
    send(&mut fixture, &mut quiet, 1);
    let mut owner = Owner::new(&fixture, false);
    let rate = Some(GapReason::Rate);
    let found = positions(&owner.read(&mut fixture));
    assert_eq!(
        found,
        [(0, None), (1, None), (2, rate), (0, None)],
        "one group is not held to another's noise"
    );
    fixture.world.now = fixture.world.now + MINUTE;
    send(&mut fixture, &mut noisy, 1);
    assert_eq!(positions(&owner.read(&mut fixture)), [(4, None)]);
}

#[test]
fn an_expired_configuration_delivers_nothing_but_a_marker() {
    let mut fixture = Fixture::new();
    let mut group = fixture.group(Flag::No);
    fixture.world.now = fixture.world.now + 61 * DAY;
    // The token keys have rotated by now.
    let (request, sample) = fixture.token_request(false, &fixture.home.clone(), 1);
    let reply: crate::wire::auth_service::IssueTokensReply = fixture.answer(&sample).unwrap();
    let token = request.finish(&reply.response).unwrap().pop();
    let message = group.message(b"hello");
    let envelope = message.envelope(fixture.world.now, fixture.request_id(), token);
    let bytes = crate::codec::encode(&envelope);
    assert_eq!(fixture.world.request(&message.domain, &bytes).refusal(), None);
    fixture.world.run_until_idle();
    let found = positions(&Owner::new(&fixture, false).read(&mut fixture));
    assert_eq!(found, [(0, Some(GapReason::Expired))]);
}

#[test]
fn a_delivery_signals_the_client_once_it_is_durable() {
    let mut fixture = Fixture::new();
    let mut group = fixture.group(Flag::No);
    let message = group.message(b"hello");
    assert_eq!(fixture.send(&message).refusal(), None);
    let effects: Vec<Effect> =
        fixture.world.run_until_idle().into_iter().flat_map(|recorded| recorded.effects).collect();
    let signals = effects.iter().filter(|effect| **effect == Effect::Signal(fixture.alice.client));
    assert_eq!(signals.count(), 1);
}

#[test]
fn dequeueing_is_repeatable_until_it_is_acknowledged() {
    let mut fixture = Fixture::new();
    let mut group = fixture.group(Flag::No);
    send(&mut fixture, &mut group, 4);
    let owner = Owner::new(&fixture, false);
    let whole = owner.dequeue(&mut fixture, 0, 10).unwrap();
    assert_eq!((whole.entries.len(), whole.remaining), (5, 0));
    assert_eq!(owner.dequeue(&mut fixture, 0, 10).unwrap(), whole);
    let part = owner.dequeue(&mut fixture, 2, 2).unwrap();
    assert_eq!((&part.entries[..], part.remaining), (&whole.entries[2..4], 1));
    let home = fixture.home.clone();
    let rows = |fixture: &Fixture| {
        let keys = fixture.world.store(&home).keys_of(RecordKind::FanOutQueueEntry);
        keys.iter().filter(|key| key.name().starts_with(&fixture.alice.client.0)).count()
    };
    assert_eq!(rows(&fixture), 3, "what was acknowledged is gone");
    let late = owner.dequeue(&mut fixture, 0, 10).unwrap();
    assert_eq!(late.entries[..], whole.entries[2..]);
    assert_eq!(owner.dequeue(&mut fixture, 6 + (1 << 32), 10), Err(Refusal::BeyondQueue));
    assert_eq!(owner.dequeue(&mut fixture, u64::MAX, u32::MAX), Err(Refusal::BeyondQueue));
    assert_eq!(rows(&fixture), 3);
    assert_eq!(owner.dequeue(&mut fixture, 5, 0).unwrap().entries.len(), 0);
    assert_eq!(rows(&fixture), 0);
}

/// Fills Alice's direct queue with `count` requests of `length` bytes and reads it from the start. Returns
/// the reply, and how many entries were loaded in each round.
fn direct_queue_of(count: usize, length: usize) -> (DequeueReply, Vec<usize>) {
    let mut fixture = Fixture::new();
    let client_id = fixture.alice.client_id.clone();
    let key = HpkePrivateKey::generate(&mut fixture.random).public_key();
    let package = key.seal(&mut fixture.random, Label::SEAL_CONNECTION, b"", &vec![7; length]).unwrap();
    let sample = Sample::new(&fixture.home, &EnqueueDirect { client_id: client_id.clone(), package }, None);
    for _ in 0..count {
        assert_eq!(fixture.send(&sample).refusal(), None);
    }
    let body = DequeueDirect {
        client_id,
        range: DequeueRange { first: 0, maximum: u32::MAX, generation: 0, last: None },
    };
    let recorded = fixture.send(&Sample::new(&fixture.home, &body, Some(fixture.alice.as_client())));
    let entries = |keys: &[Key]| keys.iter().filter(|key| key.kind() == RecordKind::DirectQueueEntry).count();
    let loaded = recorded.reads.iter().map(|reads| entries(&reads.keys)).filter(|count| *count > 0);
    (recorded.answer().unwrap(), loaded.collect())
}

#[test]
fn no_more_long_entries_are_loaded_than_a_reply_holds_by_far() {
    let (reply, loaded) = direct_queue_of(11, 900 << 10);
    assert_eq!((reply.entries.len(), reply.remaining), (4, 8), "the key, three of 1 MiB, and no fourth");
    assert_eq!(loaded, [8], "of twelve");
}

#[test]
fn short_entries_are_loaded_in_rounds_that_grow_to_a_bound() {
    let (reply, loaded) = direct_queue_of(79, 10);
    assert_eq!((reply.entries.len(), reply.remaining), (80, 0));
    assert_eq!(loaded, [8, 16, 32, 24]);
}

#[test]
fn a_full_direct_queue_refuses_and_the_token_is_spent() {
    let mut fixture = Fixture::with(|config| config.sizes.direct_queue = 2);
    let sample = sample_request(&mut fixture, OperationKind::EnqueueDirect);
    assert_eq!(fixture.send(&sample).refusal(), None);
    let refused = fixture.send(&sample);
    assert_eq!(refused.refusal(), Some(Refusal::QueueFull));
    let kept = [RecordKind::Nullifier, RecordKind::RememberedAnswer].into();
    assert_eq!((refused.written_kinds(), refused.deleted_kinds()), (kept, [].into()));
}

#[test]
fn who_reads_a_direct_queue_does_not_wait_in_line_with_those_who_fill_it() {
    let mut fixture = Fixture::new();
    let lanes = [OperationKind::EnqueueDirect, OperationKind::DequeueDirect].map(|kind| {
        let sample = sample_request(&mut fixture, kind);
        let bytes = fixture.bytes(&sample);
        let homeserver = &fixture.world.servers[&sample.domain].homeserver;
        homeserver.accept(Input::Request(&bytes), fixture.world.now, [1; 32]).lane().clone()
    });
    assert_ne!(lanes[0], lanes[1]);
}

#[test]
fn a_queue_restored_from_a_backup_starts_anew_behind_all_that_was_read_and_loses_nothing_from_there() {
    let mut fixture = Fixture::new();
    let home = fixture.home.clone();
    let mut group = fixture.group(Flag::No);
    let mut owner = Owner::new(&fixture, false);
    send(&mut fixture, &mut group, 2);
    let backup = fixture.world.store(&home).clone();
    send(&mut fixture, &mut group, 4);
    assert_eq!(owner.read(&mut fixture).len(), 6);
    assert_eq!((owner.read(&mut fixture).len(), owner.reader.generation()), (0, 0));

    // Twice from the same backup: the owner is ahead in its generation, too.
    for generation in 1..3 {
        *fixture.world.store_mut(&home) = backup.clone();
        let read = owner.reader.next_sequence();
        assert_eq!(owner.read(&mut fixture), []);
        assert_eq!((owner.reader.generation(), owner.reader.next_sequence()), (generation, read + 1));
        send(&mut fixture, &mut group, 2);
        assert_eq!(positions(&owner.read(&mut fixture)), [(2, None), (3, None)]);
        assert_eq!(owner.read(&mut fixture), []);
        assert_eq!(owner.reader.generation(), generation, "once for each restoration");
    }
    assert_eq!(fixture.world.store(&home).count(RecordKind::FanOutQueueEntry), 0, "all was read");
}

#[test]
fn a_restored_queue_that_has_overtaken_its_owner_is_known_by_what_stands_in_it() {
    let mut fixture = Fixture::new();
    let home = fixture.home.clone();
    let mut group = fixture.group(Flag::No);
    let mut owner = Owner::new(&fixture, false);
    send(&mut fixture, &mut group, 2);
    let backup = fixture.world.store(&home).clone();
    send(&mut fixture, &mut group, 2);
    assert_eq!(owner.read(&mut fixture).len(), 4);
    for acknowledge_first in [false, true] {
        if acknowledge_first {
            owner.read(&mut fixture);
        }
        *fixture.world.store_mut(&home) = backup.clone();
        send(&mut fixture, &mut group, 8);
        let generation = owner.reader.generation();
        assert_eq!(owner.read(&mut fixture), [], "what the owner has no keys for");
        assert_eq!(owner.reader.generation(), generation + 1);
        send(&mut fixture, &mut group, 1);
        assert_eq!(positions(&owner.read(&mut fixture)), [(10, None)]);
    }
}

#[test]
fn the_answer_to_a_restoration_can_be_lost() {
    let mut fixture = Fixture::new();
    let home = fixture.home.clone();
    let mut group = fixture.group(Flag::No);
    let mut owner = Owner::new(&fixture, false);
    let backup = fixture.world.store(&home).clone();
    send(&mut fixture, &mut group, 3);
    assert_eq!(owner.read(&mut fixture).len(), 3);
    *fixture.world.store_mut(&home) = backup;
    send(&mut fixture, &mut group, 6);
    let lost = owner.dequeue(&mut fixture, owner.reader.next_sequence(), 500).unwrap();
    send(&mut fixture, &mut group, 1);
    let again = owner.dequeue(&mut fixture, owner.reader.next_sequence(), 500).unwrap();
    assert_eq!((&again.entries[..1], again.entries.len()), (&lost.entries[..], 2));
    assert_eq!(positions(&owner.read(&mut fixture)), [(6, None)]);
}

/// Puts `count` entries into Alice's direct queue, in one commit.
fn fill_direct_queue(fixture: &mut Fixture, count: u64) {
    let (home, client) = (fixture.home.clone(), fixture.alice.client_id.clone());
    fixture.world.perform(&home, move |transaction| {
        for _ in 0..count {
            let mut head = transaction.get::<Head<Direct>>(&client)?.unwrap();
            head.append(transaction, &client, b"hello")?;
        }
        Ok(())
    });
}

#[test]
fn a_long_queue_that_was_restored_goes_in_steps_before_it_starts_anew() {
    let mut fixture = Fixture::new();
    let home = fixture.home.clone();
    let entries = 2 * MAX_ACKNOWLEDGED + 10;
    fill_direct_queue(&mut fixture, entries - 1);
    // Overtaken or not: the queue is not the one that the owner has read.
    for (first, last) in [(2 * entries, None), (10, Some([7; 32]))] {
        let mut world = fixture.world.clone();
        let range = DequeueRange { first, maximum: 500, generation: 3, last };
        let body = DequeueDirect { client_id: fixture.alice.client_id.clone(), range };
        let bytes = fixture.bytes(&Sample::new(&home, &body, Some(fixture.alice.as_client())));
        for remaining in [entries - MAX_ACKNOWLEDGED, 10] {
            let reply: DequeueReply = world.request(&home, &bytes).answer().unwrap();
            assert_eq!((reply.entries.len(), reply.remaining), (0, remaining));
        }
        for _ in 0..2 {
            let reply: DequeueReply = world.request(&home, &bytes).answer().unwrap();
            let [entry] = &*reply.entries else { panic!("the new key") };
            assert_eq!((entry.generation, entry.sequence), (4, first.max(entries)));
        }
        let rows = world.store(&home).count(RecordKind::DirectQueueEntry);
        assert_eq!(rows, 1, "nothing of the old generation is left");
    }
}

/// The owner passes over it, and what is behind it arrives.
#[test]
fn an_entry_that_is_lost_or_damaged_holds_up_no_other() {
    for is_lost in [true, false] {
        let mut fixture = Fixture::new();
        let home = fixture.home.clone();
        let mut group = fixture.group(Flag::No);
        let mut owner = Owner::new(&fixture, false);
        assert_eq!(owner.read(&mut fixture), []);
        send(&mut fixture, &mut group, 3);
        let client = fixture.alice.client;
        let store = fixture.world.store_mut(&home);
        let keys = store.keys_of(RecordKind::FanOutQueueEntry).into_iter();
        let keys: Vec<Key> = keys.filter(|key| key.name().starts_with(&client.0)).collect();
        let [.., second, _] = keys.as_slice() else { panic!("{keys:?}") };
        if is_lost {
            store.remove(second);
        } else {
            store.get_mut(second).unwrap().bytes.truncate(9);
        }
        let next = owner.reader.next_sequence();
        let reply = owner.dequeue(&mut fixture, next, 500).unwrap();
        let sequences: Vec<u64> = reply.entries.iter().map(|entry| entry.sequence - next).collect();
        assert_eq!(sequences, [0, 2]);
        let name = fan_out_queue_name(&client);
        assert!(reply.entries.iter().all(|entry| owner.reader.open_or_skip(&name, entry).is_ok()));
        send(&mut fixture, &mut group, 1);
        assert_eq!(positions(&owner.read(&mut fixture)), [(3, None)]);
    }
}
