//! protocol.md §9, Outbox — streams between two homeservers: what happens to entries, epochs and positions.

use std::time::Duration;

use super::driver::{Net, domain, group, message, mls_message};
use crate::{
    crypto::hpke::HpkePrivateKey,
    error::Refusal,
    identifiers::GroupId,
    operation::Report,
    queuing_service::tests::client::{LONG, TestClient},
    rng::Random,
    store::RecordKind,
    time::{DAY, HOUR},
    wire::{
        envelope::RequestEnvelope,
        fan_out::{ClientQueueConfig, FanOutContent, GapReason},
        federation::{EnqueueFederated, FrameContent, FramePayload},
    },
};

pub const A: &str = "a.example";
pub const B: &str = "b.example";

/// A group at one homeserver with a member at another.
pub struct Pair {
    pub net: Net,
    pub client: TestClient,
    pub group: GroupId,
    pub config: ClientQueueConfig,
    pub position: u64,
}

pub fn pair() -> Pair {
    let mut net = Net::new(&[A, B]);
    let mut client = TestClient::new(&mut net, B, 1);
    let group = group(A, 1);
    let config = client.bound(&group);
    Pair { net, client, group, config, position: 0 }
}

impl Pair {
    pub fn next(&mut self) -> crate::wire::fan_out::FanOutMessage {
        self.position += 1;
        let content = mls_message(&self.group);
        message(&self.group, self.position - 1, content, std::slice::from_ref(&self.config))
    }

    pub fn send(&mut self, count: u64) {
        for _ in 0..count {
            let message = self.next();
            self.net.send(message);
        }
    }

    pub fn positions(&mut self) -> Vec<u64> {
        self.client.positions(&mut self.net, &self.group)
    }

    /// The frames sent so far.
    pub fn frames(&self) -> Vec<FrameContent> {
        let read = |ask: &crate::operation::Ask| {
            let (_, envelope) = RequestEnvelope::read(&ask.request).unwrap();
            let body = crate::wire::codec::decode::<EnqueueFederated>(envelope.body.as_slice());
            body.ok().map(|body| body.frame.content)
        };
        self.net.asks.iter().filter_map(read).collect()
    }

    fn refusals(&self) -> Vec<Refusal> {
        let of = |report: &Report| match report {
            Report::PeerRefuses { refusal, .. } => Some(refusal.clone()),
            Report::OutboxDropped { .. } => None,
        };
        self.net.reports.iter().filter_map(of).collect()
    }

    /// Nothing is left of what was delivered, but the current epoch.
    fn assert_drained(&self) {
        for kind in [RecordKind::OutboundEntry, RecordKind::FanOutRow, RecordKind::Timer] {
            assert_eq!(self.net.count(A, kind), 0, "{kind:?}");
        }
        assert!(self.net.count(A, RecordKind::OutboundEpoch) <= 1);
    }
}

#[test]
fn what_waits_for_a_peer_arrives_in_order_and_once() {
    let mut pair = pair();
    pair.net.down.insert(domain(B));
    pair.send(20);
    assert!(!pair.net.settle(LONG), "it waits");
    assert_eq!(pair.positions(), Vec::<u64>::new());
    pair.net.down.clear();
    assert!(pair.net.settle(LONG));
    assert_eq!(pair.positions(), (0..20).collect::<Vec<_>>());
    pair.assert_drained();
    assert_eq!(pair.client.gaps(), [] as [&_; 0]);
}

#[test]
fn when_an_answer_is_lost_the_repeat_changes_nothing() {
    let mut pair = pair();
    pair.send(1);
    assert!(pair.net.settle(LONG));
    let before = pair.frames().len();
    pair.net.faults.lost_answers = 3;
    pair.send(2);
    assert!(pair.net.settle(LONG));
    assert!(pair.frames().len() > before + 3, "it was sent again");
    assert_eq!(pair.positions(), [0, 1, 2]);
    pair.assert_drained();
}

#[test]
fn epochs_roll_over_by_count_and_by_time() {
    let mut pair = pair();
    pair.net.down.insert(domain(B));
    pair.send(1030);
    pair.net.settle(Duration::from_secs(1));
    assert_eq!(pair.net.count(A, RecordKind::OutboundEpoch), 2);
    pair.net.now = pair.net.now + HOUR;
    pair.send(2);
    pair.net.settle(Duration::from_secs(1));
    assert_eq!(pair.net.count(A, RecordKind::OutboundEpoch), 3);
    pair.net.down.clear();
    assert!(pair.net.settle(LONG));
    for frame in pair.frames() {
        let FramePayload::Batch(batch) = frame.payload else { panic!("no skips") };
        let end = batch.first_sequence + batch.entries.len() as u64;
        let epochs = [(0, 0, 1024), (1, 1024, 1030), (2, 1030, 1032)];
        let (_, first, last) = epochs[usize::try_from(batch.epoch).unwrap()];
        assert!(batch.epoch_first_sequence == first && first <= batch.first_sequence && end <= last);
    }
    assert_eq!(pair.positions(), (0..1032).collect::<Vec<_>>());
    pair.assert_drained();
}

#[test]
fn entries_wait_for_the_peers_key_and_are_sealed_to_it_then() {
    let mut pair = pair();
    pair.net.down.insert(domain(B));
    pair.send(2);
    pair.net.settle(HOUR);
    assert_eq!(pair.frames(), [], "nothing could be sealed");
    pair.net.down.clear();
    assert!(pair.net.settle(LONG));
    assert_eq!(pair.positions(), [0, 1]);
}

#[test]
fn a_peer_that_lost_its_stream_key_gets_markers_and_then_what_follows() {
    let mut pair = pair();
    pair.send(2);
    assert!(pair.net.settle(LONG));
    // What waits is sealed to the key that it knew, and the receiver has lost its ratchet too.
    pair.net.down.insert(domain(B));
    pair.send(3);
    pair.net.settle(Duration::from_secs(1));
    pair.net.down.clear();
    pair.net.install(B, |_, keys| {
        let validity = keys.stream[0].1;
        keys.stream = vec![(HpkePrivateKey::generate(&mut Random::from_seed([77; 32])), validity)];
    });
    pair.net.server(B).store.retain(|key, _| key.kind() != RecordKind::InboundStream);
    // Cached keys are refreshed in an hour at most.
    pair.net.now = pair.net.now + 2 * HOUR;
    assert!(pair.net.settle(LONG));
    assert_eq!(pair.refusals(), [Refusal::StreamEpoch { epoch: 0 }]);
    pair.send(2);
    assert!(pair.net.settle(LONG));
    assert_eq!(pair.positions(), [0, 1, 5, 6]);
    assert_eq!(pair.client.reasons(), [GapReason::Dropped]);
    pair.assert_drained();
}

#[test]
fn a_sender_that_lost_its_state_goes_on_in_a_new_stream() {
    let mut pair = pair();
    pair.send(3);
    assert!(pair.net.settle(LONG));
    for lost in [&[RecordKind::OutboundEnd][..], &[RecordKind::OutboundEnd, RecordKind::OutboundStart]] {
        pair.net.server(A).store.retain(|key, _| !lost.contains(&key.kind()));
        pair.send(2);
        assert!(pair.net.settle(LONG));
    }
    assert_eq!(pair.positions(), (0..7).collect::<Vec<_>>());
    let streams: std::collections::BTreeSet<_> = pair.frames().iter().map(|frame| frame.stream_id).collect();
    assert_eq!(streams.len(), 3);
}

/// A sender that is restored from a backup would repeat numbers that the peer takes for repeats.
#[test]
fn a_sender_restored_from_a_backup_notices_and_tells() {
    let mut pair = pair();
    pair.send(3);
    assert!(pair.net.settle(LONG));
    let backup = pair.net.server(A).store.clone();
    pair.send(5);
    assert!(pair.net.settle(LONG));
    pair.net.server(A).store = backup;
    pair.position = 3;
    pair.send(1);
    assert!(pair.net.settle(LONG));
    assert_eq!(pair.refusals(), [Refusal::StreamPosition { expected: 8 }], "the operator is told");
    pair.send(2);
    assert!(pair.net.settle(LONG));
    let read = pair.positions();
    assert_eq!(read, [0, 1, 2, 3, 4, 5, 6, 7, 4, 5]);
    assert_eq!(pair.client.reasons(), [GapReason::Dropped]);
    pair.assert_drained();
}

#[test]
fn a_receiver_restored_from_a_backup_is_passed_over_what_is_gone() {
    let mut pair = pair();
    pair.send(3);
    assert!(pair.net.settle(LONG));
    let backup = pair.net.server(B).store.clone();
    pair.send(5);
    assert!(pair.net.settle(LONG));
    pair.net.server(B).store = backup;
    pair.send(2);
    assert!(pair.net.settle(LONG));
    assert_eq!(pair.positions(), [0, 1, 2, 8, 9]);
    pair.assert_drained();
}

#[test]
fn an_unreadable_entry_is_passed_over_and_reported() {
    let mut pair = pair();
    pair.net.faults.corrupted = Some(2);
    pair.net.down.insert(domain(B));
    pair.send(5);
    pair.net.settle(Duration::from_secs(1));
    pair.net.down.clear();
    assert!(pair.net.settle(LONG));
    assert_eq!(pair.positions(), [0, 1, 3, 4]);
    assert_eq!(pair.client.reasons(), [GapReason::Dropped]);
    assert_eq!(pair.refusals(), [Refusal::UnreadableEntry { sequence: 2 }]);
    pair.assert_drained();
}

#[test]
fn damaged_rows_do_not_hold_up_others() {
    for damaged in [0, 2, 4] {
        let mut pair = pair();
        pair.net.down.insert(domain(B));
        pair.send(5);
        pair.net.settle(Duration::from_secs(1));
        let store = &mut pair.net.server(A).store;
        let entries = store.iter_mut().filter(|(key, _)| key.kind() == RecordKind::OutboundEntry);
        entries.map(|(_, row)| row).nth(damaged).unwrap().bytes[20] ^= 1;
        pair.net.down.clear();
        assert!(pair.net.settle(LONG));
        let others = (0..5).filter(|position| *position != damaged as u64);
        assert_eq!(pair.positions(), others.collect::<Vec<_>>());
    }
}

#[test]
fn a_message_too_long_for_any_frame_is_dropped_and_its_recipients_are_told() {
    let mut pair = pair();
    let mut long = pair.next();
    let one = FanOutContent::Message(vec![7; 768 << 10].try_into().unwrap());
    long.contents = vec![one; 9].try_into().unwrap();
    let recipients =
        (0..9).map(|content| crate::wire::fan_out::Recipient { content, config: pair.config.clone() });
    long.recipients = recipients.collect::<Vec<_>>().try_into().unwrap();
    pair.net.send(long);
    pair.send(1);
    assert!(pair.net.settle(LONG));
    assert_eq!(pair.positions(), [1]);
    assert_eq!(pair.client.reasons(), [GapReason::Dropped]);
}

#[test]
fn a_skip_of_many_recipients_fits_into_frames() {
    let mut pair = pair();
    pair.net.down.insert(domain(B));
    for _ in 0..20 {
        let mut large = pair.next();
        let mut other = large.recipients[0].clone();
        other.config.sealed.ciphertext = vec![1; 64 << 10].try_into().unwrap();
        for _ in 0..8 {
            large.recipients.push(other.clone()).unwrap();
        }
        pair.net.send(large);
    }
    pair.net.settle(Duration::from_secs(1));
    pair.net.install(A, |config, _| config.times.outbox_age = DAY);
    pair.net.now = pair.net.now + 2 * DAY;
    pair.net.down.clear();
    pair.send(1);
    assert!(pair.net.settle(LONG));
    assert!(pair.frames().iter().filter(|frame| matches!(frame.payload, FramePayload::Skip(_))).count() > 1);
    assert_eq!(pair.positions(), [20]);
    assert_eq!(pair.client.reasons(), [GapReason::Dropped]);
}
