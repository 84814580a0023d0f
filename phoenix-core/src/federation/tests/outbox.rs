//! PROTOCOL.md §9, Outbox — streams between two homeservers: what happens to entries, epochs and positions.

use std::time::Duration;

use crate::{
    crypto::hpke::HpkePrivateKey,
    dispatch::Input,
    error::Refusal,
    identifiers::{GroupId, StreamName},
    keys::DatedKey,
    operation::{Report, Step, Timer},
    queuing_service::tests::client::{LONG, TestClient},
    rng::Random,
    store::{Commit, RecordKind},
    testing::{
        messages::{group, message, mls_message},
        world::{World, domain},
    },
    time::{DAY, HOUR},
    wire::{
        envelope::RequestEnvelope,
        fan_out::{ClientQueueConfig, FanOutContent, GapReason},
        federation::{EnqueueFederated, FrameContent, FramePayload},
    },
};

pub const A: &str = "a.example";
pub const B: &str = "b.example";

/// A group of one homeserver with a member at another.
pub struct Pair {
    pub world: World,
    pub client: TestClient,
    pub group: GroupId,
    pub config: ClientQueueConfig,
    pub position: u64,
}

pub fn pair() -> Pair {
    let mut world = World::of(&[A, B]);
    let mut client = TestClient::new(&mut world, B, 1);
    let group = group(A, 1);
    let config = client.bound(&group);
    Pair { world, client, group, config, position: 0 }
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
            self.world.send(message);
        }
    }

    pub fn positions(&mut self) -> Vec<u64> {
        self.client.positions(&mut self.world, &self.group)
    }

    /// Returns the frames sent so far.
    pub fn frames(&self) -> Vec<FrameContent> {
        let read = |ask: &crate::operation::Ask| {
            let (_, envelope) = RequestEnvelope::read(&ask.request).unwrap();
            let body = crate::codec::decode::<EnqueueFederated>(envelope.body.as_slice());
            body.ok().map(|body| body.frame.content)
        };
        self.world.asks.iter().filter_map(read).collect()
    }

    fn refusals(&self) -> Vec<Refusal> {
        let of = |report: &Report| match report {
            Report::PeerRefuses { refusal, .. } => Some(refusal.clone()),
            Report::OutboxDropped { .. } | Report::DamagedMessage { .. } => None,
        };
        self.world.reports.iter().filter_map(of).collect()
    }

    /// Asserts that nothing is left of what was delivered but the current epoch.
    fn assert_drained(&self) {
        for kind in [RecordKind::OutboundEntry, RecordKind::FanOutRow, RecordKind::Timer] {
            assert_eq!(self.world.count(A, kind), 0, "{kind:?}");
        }
        assert!(self.world.count(A, RecordKind::OutboundEpoch) <= 1);
    }
}

#[test]
fn what_waits_for_a_peer_arrives_in_order_and_once() {
    let mut pair = pair();
    pair.world.down.insert(domain(B));
    pair.send(20);
    assert!(!pair.world.settle(LONG), "it waits");
    assert_eq!(pair.positions(), Vec::<u64>::new());
    pair.world.down.clear();
    assert!(pair.world.settle(LONG));
    assert_eq!(pair.positions(), (0..20).collect::<Vec<_>>());
    pair.assert_drained();
    assert_eq!(pair.client.gaps(), [] as [&_; 0]);
}

#[test]
fn when_an_answer_is_lost_the_repeat_changes_nothing() {
    let mut pair = pair();
    pair.send(1);
    assert!(pair.world.settle(LONG));
    let before = pair.frames().len();
    pair.world.faults.lost_answers = 3;
    pair.send(2);
    assert!(pair.world.settle(LONG));
    assert!(pair.frames().len() > before + 3, "it was sent again");
    assert_eq!(pair.positions(), [0, 1, 2]);
    pair.assert_drained();
}

#[test]
fn epochs_roll_over_by_count_and_by_time() {
    let mut pair = pair();
    pair.world.down.insert(domain(B));
    pair.send(1030);
    pair.world.settle(Duration::from_secs(1));
    assert_eq!(pair.world.count(A, RecordKind::OutboundEpoch), 2);
    pair.world.now = pair.world.now + HOUR;
    pair.send(2);
    pair.world.settle(Duration::from_secs(1));
    assert_eq!(pair.world.count(A, RecordKind::OutboundEpoch), 3);
    pair.world.down.clear();
    assert!(pair.world.settle(LONG));
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
    pair.world.down.insert(domain(B));
    pair.send(2);
    pair.world.settle(HOUR);
    assert_eq!(pair.frames(), [], "nothing could be sealed");
    pair.world.down.clear();
    assert!(pair.world.settle(LONG));
    assert_eq!(pair.positions(), [0, 1]);
}

#[test]
fn a_peer_that_lost_its_stream_key_gets_markers_and_then_what_follows() {
    let mut pair = pair();
    pair.send(2);
    assert!(pair.world.settle(LONG));
    // What waits is sealed to the key that it knew, and the receiver has lost its ratchet too.
    pair.world.down.insert(domain(B));
    pair.send(3);
    pair.world.settle(Duration::from_secs(1));
    pair.world.down.clear();
    pair.world.install(B, |_, keys| {
        let expiration = keys.stream[0].expiration;
        keys.stream =
            vec![DatedKey { key: HpkePrivateKey::generate(&mut Random::from_seed([77; 32])), expiration }];
    });
    pair.world.server(B).store.retain(|key, _| key.kind() != RecordKind::InboundStream);
    // Cached keys are refreshed in an hour at most.
    pair.world.now = pair.world.now + 2 * HOUR;
    assert!(pair.world.settle(LONG));
    assert_eq!(pair.refusals(), [Refusal::StreamEpoch { epoch: 0 }]);
    pair.send(2);
    assert!(pair.world.settle(LONG));
    assert_eq!(pair.positions(), [0, 1, 5, 6]);
    assert_eq!(pair.client.reasons(), [GapReason::Dropped]);
    pair.assert_drained();
}

#[test]
fn a_sender_that_lost_its_state_goes_on_in_a_new_stream() {
    let mut pair = pair();
    pair.send(3);
    assert!(pair.world.settle(LONG));
    for lost in [&[RecordKind::OutboundEnd][..], &[RecordKind::OutboundEnd, RecordKind::OutboundStart]] {
        pair.world.server(A).store.retain(|key, _| !lost.contains(&key.kind()));
        pair.send(2);
        assert!(pair.world.settle(LONG));
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
    assert!(pair.world.settle(LONG));
    let backup = pair.world.server(A).store.clone();
    pair.send(5);
    assert!(pair.world.settle(LONG));
    pair.world.server(A).store = backup;
    pair.position = 3;
    pair.send(1);
    assert!(pair.world.settle(LONG));
    assert_eq!(pair.refusals(), [Refusal::StreamPosition { expected: 8 }], "the operator is told");
    pair.send(2);
    assert!(pair.world.settle(LONG));
    let read = pair.positions();
    assert_eq!(read, [0, 1, 2, 3, 4, 5, 6, 7, 4, 5]);
    assert_eq!(pair.client.reasons(), [GapReason::Dropped]);
    pair.assert_drained();
}

/// What it appends before its first delivery reaches beyond what the peer has: the peer must not take the
/// part that has the same numbers for a repeat, whether one frame holds all of it or not.
#[test]
fn a_sender_restored_from_a_backup_loses_nothing_silently_however_much_it_appends() {
    for (appended, batch) in [(5, 256), (6, 256), (20, 256), (5, 2), (6, 2), (20, 2)] {
        let mut pair = pair();
        pair.send(3);
        assert!(pair.world.settle(LONG));
        let backup = pair.world.server(A).store.clone();
        pair.send(5);
        assert!(pair.world.settle(LONG));
        assert_eq!(pair.positions(), (0..8).collect::<Vec<_>>());
        pair.world.server(A).store = backup;
        pair.world.install(A, |config, _| config.sizes.batch_entries = batch);
        pair.position = 3;
        pair.world.down.insert(domain(B));
        pair.send(appended);
        pair.world.settle(Duration::from_secs(1));
        pair.world.down.clear();
        assert!(pair.world.settle(LONG));
        assert_eq!(pair.refusals().last(), Some(&Refusal::StreamDiverged), "the operator is told");
        pair.send(1);
        assert!(pair.world.settle(LONG));
        assert_eq!(pair.positions()[8..], [3 + appended], "what follows arrives");
        assert_eq!(pair.client.reasons(), [GapReason::Dropped], "and the gap is known");
        pair.assert_drained();
    }
}

/// The peer has more than the frame holds, for one that held more was answered, and the answer lost.
#[test]
fn a_shorter_repeat_is_none_that_diverges() {
    let mut pair = pair();
    pair.send(1);
    assert!(pair.world.settle(LONG));
    pair.world.faults.lost_answers = 1;
    pair.send(7);
    pair.world.settle(Duration::ZERO);
    pair.world.install(A, |config, _| config.sizes.batch_entries = 2);
    pair.send(3);
    assert!(pair.world.settle(LONG));
    assert_eq!(pair.positions(), (0..11).collect::<Vec<_>>());
    assert_eq!(pair.client.gaps(), [] as [&_; 0]);
    assert_eq!(pair.refusals(), []);
    pair.assert_drained();
}

#[test]
fn a_receiver_restored_from_a_backup_is_passed_over_what_is_gone() {
    let mut pair = pair();
    pair.send(3);
    assert!(pair.world.settle(LONG));
    let backup = pair.world.server(B).store.clone();
    pair.send(5);
    assert!(pair.world.settle(LONG));
    pair.world.server(B).store = backup;
    pair.send(2);
    assert!(pair.world.settle(LONG));
    assert_eq!(pair.positions(), [0, 1, 2, 8, 9]);
    pair.assert_drained();
}

#[test]
fn an_unreadable_entry_is_passed_over_and_reported() {
    let mut pair = pair();
    pair.world.faults.corrupted = Some(2);
    pair.world.down.insert(domain(B));
    pair.send(5);
    pair.world.settle(Duration::from_secs(1));
    pair.world.down.clear();
    assert!(pair.world.settle(LONG));
    assert_eq!(pair.positions(), [0, 1, 3, 4]);
    assert_eq!(pair.client.reasons(), [GapReason::Dropped]);
    assert_eq!(pair.refusals(), [Refusal::UnreadableEntry { sequence: 2 }]);
    pair.assert_drained();
}

#[test]
fn damaged_rows_do_not_hold_up_others() {
    for damaged in [0, 2, 4] {
        let mut pair = pair();
        pair.world.down.insert(domain(B));
        pair.send(5);
        pair.world.settle(Duration::from_secs(1));
        let store = &mut pair.world.server(A).store;
        let key = &store.keys_of(RecordKind::OutboundEntry)[damaged];
        store.get_mut(key).unwrap().bytes[20] ^= 1;
        pair.world.down.clear();
        assert!(pair.world.settle(LONG));
        let others = (0..5).filter(|position| *position != damaged as u64);
        assert_eq!(pair.positions(), others.collect::<Vec<_>>());
    }
}

/// Makes one delivery step by step. Returns how many entries it reads, and its commit.
fn delivery(pair: &mut Pair) -> (usize, Commit) {
    let timer = Timer::Deliver(StreamName { destination: domain(B), shard: 0 });
    let now = pair.world.now;
    let mut operation = pair.world.server(A).homeserver.accept(Input::Timer(&timer), now, [5; 32]);
    let mut entries = 0;
    loop {
        match operation.poll() {
            Step::Read(reads) => {
                entries += reads.keys.iter().filter(|key| key.kind() == RecordKind::OutboundEntry).count();
                operation.supply(pair.world.server(A).store.read(&reads));
            }
            Step::Ask(ask) => {
                operation.answer(Ok(pair.world.request(&ask.domain, &ask.request).reply.unwrap()))
            }
            Step::Commit(commit) => return (entries, commit),
            Step::Done(_) => panic!("a delivery commits"),
        }
    }
}

#[test]
fn a_frame_reads_about_as_many_entries_as_it_holds() {
    let mut pair = pair();
    pair.world.install(A, |config, _| config.sizes.stream_shards = 1);
    pair.send(1);
    assert!(pair.world.settle(LONG));
    pair.world.down.insert(domain(B));
    for _ in 0..64 {
        let mut large = pair.next();
        large.contents =
            vec![FanOutContent::Message(vec![7; 200 << 10].try_into().unwrap())].try_into().unwrap();
        pair.world.send(large);
    }
    pair.world.settle(Duration::from_secs(1));
    pair.world.down.clear();
    pair.world.now = pair.world.now + HOUR;
    let (read, _) = delivery(&mut pair);
    assert!(read <= 33, "{read}");
}

/// Each append over the bound takes the content of the entry that a delivery begins with.
#[test]
fn a_delivery_does_not_depend_on_what_appending_changes() {
    let mut pair = pair();
    pair.world.install(A, |config, _| config.sizes.stream_shards = 1);
    pair.world.down.insert(domain(B));
    pair.send(5);
    pair.world.settle(Duration::from_secs(1));
    pair.world.down.clear();
    pair.world.now = pair.world.now + HOUR;
    let (read, commit) = delivery(&mut pair);
    assert_eq!(read, 6, "those that wait, and what is the next");
    let expected: Vec<_> = commit.expect.iter().map(|expectation| expectation.key.kind()).collect();
    assert!(expected.contains(&RecordKind::OutboundStart), "two deliveries exclude each other");
    for kind in [RecordKind::OutboundEntry, RecordKind::OutboundEnd] {
        assert!(!expected.contains(&kind), "{kind:?}");
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
    pair.world.send(long);
    pair.send(1);
    assert!(pair.world.settle(LONG));
    assert_eq!(pair.positions(), [1]);
    assert_eq!(pair.client.reasons(), [GapReason::Dropped]);
}

#[test]
fn a_skip_of_many_recipients_fits_into_frames() {
    let mut pair = pair();
    pair.world.down.insert(domain(B));
    for _ in 0..20 {
        let mut large = pair.next();
        let mut other = large.recipients[0].clone();
        other.config.sealed.ciphertext = vec![1; 64 << 10].try_into().unwrap();
        for _ in 0..8 {
            large.recipients.push(other.clone()).unwrap();
        }
        pair.world.send(large);
    }
    pair.world.settle(Duration::from_secs(1));
    pair.world.install(A, |config, _| config.times.outbox_age = DAY);
    pair.world.now = pair.world.now + DAY + HOUR;
    pair.world.down.clear();
    pair.send(1);
    assert!(pair.world.settle(LONG));
    assert!(pair.frames().iter().filter(|frame| matches!(frame.payload, FramePayload::Skip(_))).count() > 1);
    assert_eq!(pair.positions(), [20]);
    assert_eq!(pair.client.reasons(), [GapReason::Dropped]);
}
