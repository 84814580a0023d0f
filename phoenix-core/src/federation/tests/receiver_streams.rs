//! PROTOCOL.md §9 — the receiver's checks from the position on: what a frame of an authenticated source may
//! do.

use std::time::Duration;

use super::sender::{TestSender, deliver, refused};
use crate::{
    error::Refusal,
    identifiers::{GroupId, StreamId},
    operation::Timer,
    queuing_service::tests::client::{LONG, TestClient},
    store::RecordKind,
    testing::{
        messages::{group, message, mls_message},
        world::{NOW, World, domain},
    },
    time::{DAY, HOUR},
    wire::{fan_out::ClientQueueConfig, federation::FramePayload},
};

const B: &str = "b.example";

struct Set {
    world: World,
    sender: TestSender,
    client: TestClient,
    group: GroupId,
    config: ClientQueueConfig,
}

fn set() -> Set {
    let mut world = World::of(&["a.example", B, "c.example"]);
    let mut client = TestClient::new(&mut world, B, 1);
    let group = group("a.example", 1);
    let config = client.bound(&group);
    Set { world, sender: TestSender::new("a.example", B, 1, 0), client, group, config }
}

impl Set {
    fn entries(&mut self, positions: std::ops::Range<u64>) -> Vec<crate::crypto::ratchet::RatchetCiphertext> {
        self.sender.entries(&self.group, positions, std::slice::from_ref(&self.config))
    }

    fn send(
        &mut self,
        first: u64,
        entries: &[crate::crypto::ratchet::RatchetCiphertext],
    ) -> Result<u64, Refusal> {
        let frame = self.sender.sign(self.sender.batch(first, entries.to_vec(), self.world.now));
        deliver(&mut self.world, B, frame)
    }

    fn positions(&mut self) -> Vec<u64> {
        self.world.settle(LONG);
        self.client.positions(&mut self.world, &self.group)
    }
}

#[test]
fn a_gap_is_answered_with_the_position_expected() {
    let mut set = set();
    let entries = set.entries(0..5);
    assert_eq!(set.send(0, &entries[..2]), Ok(2));
    let frame = set.sender.sign(set.sender.batch(3, entries[3..].to_vec(), NOW));
    assert_eq!(refused(&mut set.world, B, frame), Refusal::StreamPosition { expected: 2 });
    let skip = set.sender.sign(set.sender.skip(3, 5, NOW));
    assert_eq!(refused(&mut set.world, B, skip), Refusal::StreamPosition { expected: 2 });
    assert_eq!(set.send(2, &entries[2..]), Ok(5));
    assert_eq!(set.positions(), [0, 1, 2, 3, 4]);
}

#[test]
fn a_replay_has_no_effect_and_an_overlap_brings_only_what_is_new() {
    let mut set = set();
    let entries = set.entries(0..6);
    assert_eq!(set.send(0, &entries[..4]), Ok(4));
    let rows = set.world.count(B, RecordKind::FanOutRow);
    assert_eq!(set.send(0, &entries[..4]), Ok(4));
    assert_eq!(set.send(1, &entries[1..3]), Ok(4));
    assert_eq!(set.world.count(B, RecordKind::FanOutRow), rows);
    assert_eq!(set.send(2, &entries[2..]), Ok(6));
    assert_eq!(set.send(0, &entries), Ok(6));
    // Also when the epoch is too long ago to be opened again.
    let skip = set.sender.sign(set.sender.skip(6, 3000, NOW));
    assert_eq!(deliver(&mut set.world, B, skip), Ok(3000));
    assert_eq!(set.send(0, &entries), Ok(3000));
    assert_eq!(set.positions(), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn what_was_never_accepted_is_not_taken_for_a_repeat() {
    let mut set = set();
    let entries = set.entries(0..4);
    assert_eq!(set.send(0, &entries[..4]), Ok(4));
    let mut other = TestSender::new("a.example", B, 1, 0);
    other.random = crate::rng::Random::from_seed([77; 32]);
    let others = other.entries(&set.group, 10..16, std::slice::from_ref(&set.config));
    for count in [4, 6] {
        let frame = other.sign(other.batch(0, others[..count].to_vec(), NOW));
        assert_eq!(refused(&mut set.world, B, frame), Refusal::StreamDiverged);
    }
    let frame = other.sign(other.batch(0, others[..3].to_vec(), NOW));
    assert_eq!(deliver(&mut set.world, B, frame), Ok(4), "too short to show it, and so it is told where");
    let frame = other.sign(other.batch(3, others[3..].to_vec(), NOW));
    assert_eq!(refused(&mut set.world, B, frame), Refusal::StreamDiverged);
    assert_eq!(set.positions(), [0, 1, 2, 3]);
}

#[test]
fn an_epoch_that_cannot_be_opened_is_refused() {
    let mut set = set();
    let entries = set.entries(0..1);
    let change: [fn(&mut crate::wire::federation::FederatedBatch); 4] = [
        |batch| batch.epoch = 1,
        |batch| batch.seed_key_id = crate::credentials::KeyId([1; 8]),
        |batch| batch.epoch_first_sequence = 1,
        |batch| batch.sealed_seed.ciphertext = vec![1; 48].try_into().unwrap(),
    ];
    for change in change {
        let mut content = set.sender.batch(0, entries.clone(), NOW);
        let FramePayload::Batch(batch) = &mut content.payload else { panic!("a batch") };
        change(batch);
        let epoch = batch.epoch;
        let frame = set.sender.sign(content);
        assert_eq!(refused(&mut set.world, B, frame), Refusal::StreamEpoch { epoch });
    }
    // An epoch that began too long ago would cost too many steps.
    let mut far = TestSender::new("a.example", B, 2, 0);
    let skip = far.sign(far.skip(0, 2000, NOW));
    assert_eq!(deliver(&mut set.world, B, skip), Ok(2000));
    let entry = far.raw(b"");
    let frame = far.sign(far.batch(2000, vec![entry], NOW));
    assert_eq!(refused(&mut set.world, B, frame), Refusal::StreamEpoch { epoch: 0 });
    assert_eq!(set.send(0, &entries), Ok(1));
}

#[test]
fn those_before_an_unreadable_entry_are_accepted_and_those_behind_it_after_a_skip() {
    // Once one that does not decrypt, once one that decrypts to no message.
    for garbage in [false, true] {
        let mut set = set();
        let mut entries = set.entries(0..2);
        let mut bad = set.sender.raw(b"no message");
        if garbage {
            bad.nonce[0] ^= 1;
        }
        entries.push(bad);
        entries.extend(set.entries(3..5));
        assert_eq!(set.send(0, &entries), Ok(2));
        let frame = set.sender.sign(set.sender.batch(2, entries[2..].to_vec(), NOW));
        assert_eq!(refused(&mut set.world, B, frame), Refusal::UnreadableEntry { sequence: 2 });
        let skip = set.sender.sign(set.sender.skip(2, 3, NOW));
        assert_eq!(deliver(&mut set.world, B, skip), Ok(3));
        assert_eq!(set.send(3, &entries[3..]), Ok(5));
        assert_eq!(set.positions(), [0, 1, 3, 4]);
    }
}

#[test]
fn new_streams_are_limited_until_old_ones_are_silent() {
    let mut set = set();
    for stream in 1..=64 {
        let sender = TestSender::new("a.example", B, stream, 0);
        assert_eq!(deliver(&mut set.world, B, sender.sign(sender.skip(0, 1, NOW))), Ok(1));
    }
    let one_more = TestSender::new("a.example", B, 65, 0);
    let frame = one_more.sign(one_more.skip(0, 1, NOW));
    assert_eq!(refused(&mut set.world, B, frame), Refusal::TooManyStreams);
    // A known one goes on.
    let known = TestSender::new("a.example", B, 7, 0);
    set.world.now = NOW + DAY - Duration::from_secs(1);
    let frame = known.sign(known.skip(1, 2, set.world.now));
    assert_eq!(deliver(&mut set.world, B, frame), Ok(2));
    set.world.now = NOW + DAY;
    let frame = one_more.sign(one_more.skip(0, 1, set.world.now));
    assert_eq!(deliver(&mut set.world, B, frame), Ok(1));
    assert_eq!(set.world.count(B, RecordKind::InboundStream), 64);
    // The one used lately was not the one to go.
    let frame = known.sign(known.skip(3, 4, set.world.now));
    assert_eq!(refused(&mut set.world, B, frame), Refusal::StreamPosition { expected: 2 });
}

#[test]
fn the_end_of_numbers_is_no_way_to_break_anything() {
    for first in [u64::MAX, u64::MAX - 1, u64::MAX - 2] {
        let mut set = set();
        let mut sender = TestSender::new("a.example", B, 3, 0);
        let entries: Vec<_> = (0..3).map(|_| sender.raw(b"no message")).collect();
        for epoch_first in [0, first, u64::MAX] {
            let mut content = sender.batch(first, entries.clone(), NOW);
            let FramePayload::Batch(batch) = &mut content.payload else { panic!("a batch") };
            batch.epoch_first_sequence = epoch_first;
            let refusal = refused(&mut set.world, B, sender.sign(content));
            assert!(matches!(refusal, Refusal::Malformed | Refusal::StreamEpoch { .. }), "{refusal:?}");
        }
        assert_eq!(deliver(&mut set.world, B, sender.sign(sender.skip(first, u64::MAX, NOW))), Ok(u64::MAX));
        let frame = sender.sign(sender.skip(u64::MAX, 0, NOW));
        assert_eq!(refused(&mut set.world, B, frame), Refusal::Malformed);
        let frame = sender.sign(sender.batch(u64::MAX, entries, NOW));
        assert_eq!(refused(&mut set.world, B, frame), Refusal::Malformed);
    }
}

#[test]
fn a_skip_that_ends_before_it_begins_is_refused_and_changes_nothing() {
    let mut set = set();
    let backwards = TestSender::new("a.example", B, 2, 0);
    let frame = backwards.sign(backwards.skip(9, 5, NOW));
    assert_eq!(refused(&mut set.world, B, frame), Refusal::Malformed);
    assert_eq!(set.world.count(B, RecordKind::InboundStream), 0, "no stream begins with it");
    // One that passes over nothing says where the stream is.
    let frame = backwards.sign(backwards.skip(9, 9, NOW));
    assert_eq!(deliver(&mut set.world, B, frame), Ok(9));
    let frame = backwards.sign(backwards.skip(9, 8, NOW));
    assert_eq!(refused(&mut set.world, B, frame), Refusal::Malformed);
    let frame = backwards.sign(backwards.skip(9, 10, NOW));
    assert_eq!(deliver(&mut set.world, B, frame), Ok(10), "the stream is where it was");
}

#[test]
fn a_stream_whose_row_was_lost_goes_on_and_so_do_its_messages() {
    let mut set = set();
    let entries = set.entries(0..4);
    assert_eq!(set.send(0, &entries[..2]), Ok(2));
    assert_eq!(set.positions(), [0, 1]);
    set.world.server(B).store.retain(|key, _| key.kind() != RecordKind::InboundStream);
    assert_eq!(set.send(2, &entries[2..]), Ok(4));
    assert_eq!(set.positions(), [0, 1, 2, 3]);
}

#[test]
fn only_the_groups_own_homeserver_can_deliver_for_it_and_nothing_is_relayed() {
    let mut set = set();
    let of_another = group("c.example", 1);
    let stolen = set.client.bound(&of_another);
    let third = TestClient::new(&mut set.world, "c.example", 2).bound(&set.group);
    let own = set.group.clone();
    let contents = [
        // A group of another homeserver; an MLS message of another group inside; bytes that are no message.
        message(&of_another, 0, mls_message(&of_another), &[stolen]),
        message(&own, 1, mls_message(&of_another), &[set.config.clone()]),
        message(&own, 2, mls_message(&group("a.example", 2)), &[set.config.clone()]),
        message(
            &own,
            3,
            crate::wire::fan_out::FanOutContent::Message(vec![1, 2].try_into().unwrap()),
            &[set.config.clone()],
        ),
        // A recipient at a third homeserver.
        message(&own, 4, mls_message(&own), &[third, set.config.clone()]),
    ];
    let entries: Vec<_> = contents.iter().map(|content| set.sender.entry(content)).collect();
    assert_eq!(set.send(0, &entries), Ok(5));
    assert_eq!(set.world.count(B, RecordKind::FanOutRow), 1, "the others get no further");
    assert_eq!(set.positions(), [4]);
    assert_eq!(set.client.read.len(), 1, "and no markers for what claims to be another's");
    for kind in [RecordKind::OutboundEntry, RecordKind::OutboundEnd] {
        assert_eq!(set.world.count(B, kind), 0, "nothing leaves for a third");
    }
}

#[test]
fn each_source_has_streams_of_its_own() {
    let mut set = set();
    let entries = set.entries(0..2);
    assert_eq!(set.send(0, &entries), Ok(2));
    let mut other = TestSender::new("c.example", B, 1, 0);
    assert_eq!(other.stream_id, StreamId([1; 16]));
    let entries = other.entries(&group("c.example", 1), 0..1, &[]);
    let frame = other.sign(other.batch(0, entries, NOW));
    assert_eq!(deliver(&mut set.world, B, frame), Ok(1));
}

/// Has `B` sweep until nothing more goes. Returns how many streams and sources are left.
fn sweep(world: &mut World) -> (usize, usize) {
    for _ in 0..10 {
        world.timer(&domain(B), &Timer::Sweep);
    }
    (world.count(B, RecordKind::InboundStream), world.count(B, RecordKind::InboundSource))
}

#[test]
fn a_stream_that_is_silent_for_long_goes_and_its_source_with_the_last_one() {
    let mut world = World::of(&["a.example", B]);
    let mut silent = TestSender::new("a.example", B, 1, 0);
    let mut busy = TestSender::new("a.example", B, 2, 0);
    let group = group("a.example", 1);
    let send = |world: &mut World, sender: &mut TestSender| {
        let first = sender.sequence;
        let entries = sender.entries(&group, first..first + 1, &[]);
        deliver(world, B, sender.sign(sender.batch(first, entries, world.now)))
    };
    assert_eq!((send(&mut world, &mut silent), send(&mut world, &mut busy)), (Ok(1), Ok(1)));
    world.now = NOW + 60 * DAY;
    assert_eq!(send(&mut world, &mut busy), Ok(2));
    world.now = NOW + 90 * DAY;
    assert_eq!(sweep(&mut world), (2, 1));
    world.now = world.now + HOUR;
    assert_eq!(sweep(&mut world), (1, 1), "one was silent for too long, the other was not");
    assert_eq!(send(&mut world, &mut busy), Ok(3));
    world.now = world.now + 91 * DAY;
    assert_eq!(sweep(&mut world), (0, 0));
    // A source that comes back goes on where it was.
    assert_eq!((send(&mut world, &mut busy), send(&mut world, &mut silent)), (Ok(4), Ok(2)));
}
