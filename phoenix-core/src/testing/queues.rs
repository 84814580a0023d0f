//! protocol.md §7 — queues: in order, without gaps, bounded; what does not fit leaves a marker.

use super::{
    fixtures::{Fixture, Sample},
    groups::Group,
    samples::sample_request,
};
use crate::{
    crypto::ratchet::QueueReader,
    error::Refusal,
    operation::Effect,
    queue::fan_out_queue_name,
    store::RecordKind,
    time::{DAY, MINUTE},
    wire::{
        auth_service::{DequeueRange, DequeueReply},
        codec::{Flag, decode},
        fan_out::{Delivery, FanOutContent, Gap, GapReason, QueueMessage},
        operations::OperationKind,
        queuing_service::Dequeue,
    },
};

/// Reads a queue as its owner does.
struct Owner {
    by_bob: bool,
    reader: QueueReader,
    next: u64,
}

impl Owner {
    fn new(fixture: &Fixture, by_bob: bool) -> Self {
        let person = if by_bob { &fixture.bob } else { &fixture.alice };
        Self { by_bob, reader: QueueReader::new(person.queue.clone()), next: 0 }
    }

    fn dequeue(&self, fixture: &mut Fixture, first: u64, maximum: u32) -> Result<DequeueReply, Refusal> {
        let person = if self.by_bob { &fixture.bob } else { &fixture.alice };
        let body = Dequeue { range: DequeueRange { first, maximum } };
        let sample = Sample::new(person.domain(), &body, Some(person.as_queue_owner()));
        fixture.answer(&sample)
    }

    /// Everything new, decrypted; acknowledges what was read before.
    fn read(&mut self, fixture: &mut Fixture) -> Vec<QueueMessage> {
        let reply = self.dequeue(fixture, self.next, 500).unwrap();
        let person = if self.by_bob { &fixture.bob } else { &fixture.alice };
        let name = fan_out_queue_name(&person.client);
        let mut messages = Vec::new();
        for entry in &reply.entries {
            assert_eq!(entry.sequence, self.next, "without gaps");
            self.next += 1;
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
    // The token keys are other ones by now.
    let (request, sample) = fixture.token_request(false, &fixture.home.clone(), 1);
    let reply: crate::wire::auth_service::IssueTokensReply = fixture.answer(&sample).unwrap();
    let token = request.finish(&reply.response).unwrap().pop();
    let message = group.message(b"hello");
    let envelope = message.envelope(fixture.world.now, fixture.request_id(), token);
    let bytes = crate::wire::codec::encode(&envelope);
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
        let keys = fixture.world.store(&home).keys(RecordKind::FanOutQueueEntry);
        keys.iter().filter(|key| key.name().starts_with(&fixture.alice.client.0)).count()
    };
    assert_eq!(rows(&fixture), 3, "what was acknowledged is gone");
    let late = owner.dequeue(&mut fixture, 0, 10).unwrap();
    assert_eq!(late.entries[..], whole.entries[2..]);
    assert_eq!(owner.dequeue(&mut fixture, 6, 10), Err(Refusal::BeyondQueue));
    assert_eq!(owner.dequeue(&mut fixture, u64::MAX, u32::MAX), Err(Refusal::BeyondQueue));
    assert_eq!(rows(&fixture), 3);
    assert_eq!(owner.dequeue(&mut fixture, 5, 0).unwrap().entries.len(), 0);
    assert_eq!(rows(&fixture), 0);
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
