//! PROTOCOL.md §9 — the receiver's checks up to the signature, in their order: each with the attack that it
//! stops.

use std::time::Duration;

use super::sender::{TestSender, deliver, refused};
use crate::{
    codec::{List, decode, encode},
    config::{Config, Rule},
    credentials::KeyId,
    crypto::sign::{Signature, VERIFICATIONS},
    error::Refusal,
    identifiers::StreamId,
    operation::Interrupt,
    peer_keys::{Caller, queuing_keys},
    queuing_service::tests::client::TestClient,
    store::RecordKind,
    testing::{
        messages::group,
        world::{NOW, World, domain, keys},
    },
    time::MINUTE,
    wire::federation::{DroppedMessage, Frame, FramePayload, Skip},
};

fn world() -> (World, TestSender) {
    (World::of(&["a.example", "b.example", "c.example"]), TestSender::new("a.example", "b.example", 1, 0))
}

fn one(sender: &mut TestSender) -> Frame {
    let entries = sender.entries(&group("a.example", 1), 0..1, &[]);
    sender.sign(sender.batch(0, entries, NOW))
}

fn blocking(config: &mut Config) {
    config.federation.inbound = Rule::Open { blocklist: vec!["a.example".parse().unwrap()] };
}

#[test]
fn a_frame_is_accepted_by_the_homeserver_that_it_is_for() {
    let (mut world, mut sender) = world();
    assert_eq!(deliver(&mut world, "b.example", one(&mut sender)), Ok(1));
}

#[test]
fn a_redirected_frame_is_refused_before_anything_is_asked() {
    let (mut world, mut sender) = world();
    let frame = one(&mut sender);
    assert_eq!(refused(&mut world, "c.example", frame), Refusal::WrongDestination);
    assert_eq!(world.asks, []);
}

#[test]
fn a_blocked_domain_is_refused_and_nothing_is_asked_of_it() {
    let (mut world, mut sender) = world();
    world.install("b.example", |config, _| blocking(config));
    assert_eq!(refused(&mut world, "b.example", one(&mut sender)), Refusal::NotFederated);
    assert_eq!(world.asks, []);
    // Lifted, it takes effect with the next frame.
    world.install("b.example", |_, _| ());
    assert_eq!(
        deliver(&mut world, "b.example", one(&mut TestSender::new("a.example", "b.example", 1, 0))),
        Ok(1)
    );
}

/// The keys of a blocked domain are out of use at once and for every purpose, even where they are known.
#[test]
fn the_keys_of_a_blocked_domain_are_out_of_use_even_if_they_are_known() {
    let (mut world, mut sender) = world();
    assert_eq!(deliver(&mut world, "b.example", one(&mut sender)), Ok(1));
    world.install("b.example", |config, _| {
        config.federation.outbound = Rule::Open { blocklist: vec!["a.example".parse().unwrap()] };
    });
    world.perform(&domain("b.example"), |transaction| {
        for caller in [Caller::Stranger, Caller::Client, Caller::Ourselves] {
            let keys = queuing_keys(transaction, &domain("a.example"), None, caller);
            assert_eq!(keys.unwrap_err(), Interrupt::Refuse(Refusal::NotFederated));
        }
        Ok(())
    });
}

fn slow(config: &mut Config) {
    config.rates.source_entries_per_second = 10;
    config.rates.source_burst = 20;
}

#[test]
fn a_source_over_its_rate_waits_as_told_and_others_do_not() {
    let (mut world, mut sender) = world();
    world.install("b.example", |config, _| slow(config));
    let group = group("a.example", 1);
    let entries = sender.entries(&group, 0..50, &[]);
    let frame = sender.sign(sender.batch(0, entries, NOW));
    assert_eq!(deliver(&mut world, "b.example", frame), Ok(50));
    let entries = sender.entries(&group, 50..51, &[]);
    let frame = sender.sign(sender.batch(50, entries, NOW));
    let refusal = refused(&mut world, "b.example", frame.clone());
    assert_eq!(refusal, Refusal::RateLimited { retry_after_milliseconds: 3000 });
    let mut other = TestSender::new("c.example", "b.example", 1, 0);
    let entries = other.entries(&crate::testing::messages::group("c.example", 1), 0..1, &[]);
    assert_eq!(deliver(&mut world, "b.example", other.sign(other.batch(0, entries, NOW))), Ok(1));
    world.now = NOW + Duration::from_secs(3);
    assert_eq!(deliver(&mut world, "b.example", frame), Ok(51));
}

/// What a source sends costs it by the work that it makes, also if it is refused once its signature was
/// checked.
#[test]
fn recipients_and_frames_in_vain_count_against_the_rate() {
    let over = Refusal::RateLimited { retry_after_milliseconds: 3000 };
    let of = group("a.example", 1);
    let recipients = |world: &mut World| vec![TestClient::new(world, "b.example", 1).bound(&of); 50];
    for case in 0..3 {
        let (mut world, mut sender) = world();
        world.install("b.example", |config, _| slow(config));
        let content = match case {
            0 => {
                let to = recipients(&mut world);
                let entries = sender.entries(&of, 0..1, &to);
                sender.batch(0, entries, NOW)
            }
            1 => {
                let to = recipients(&mut world).try_into().unwrap();
                let dropped = DroppedMessage { group_id: of.clone(), position: 0, recipients: to };
                let dropped = vec![dropped].try_into().unwrap();
                // One for the frame itself.
                world.now = NOW + Duration::from_millis(100);
                sender.content(FramePayload::Skip(Skip { from: 0, to: 1, dropped }), world.now)
            }
            _ => {
                let entries = (0..50).map(|_| sender.raw(b"no message")).collect();
                sender.batch(0, entries, NOW)
            }
        };
        let first = deliver(&mut world, "b.example", sender.sign(content));
        assert_eq!(first.is_ok(), case < 2, "{first:?}");
        world.now = NOW + Duration::from_millis(if case == 1 { 200 } else { 0 });
        let next = sender.sign(sender.skip(1, 2, world.now));
        assert_eq!(refused(&mut world, "b.example", next), over);
    }
}

#[test]
fn a_skip_tells_of_no_more_messages_than_it_passes_over() {
    let (mut world, sender) = world();
    let of = group("a.example", 1);
    let dropped = |position| DroppedMessage { group_id: of.clone(), position, recipients: List::default() };
    for (to, allowed) in [(2, false), (3, true)] {
        let dropped = (0..3).map(dropped).collect::<Vec<_>>().try_into().unwrap();
        let skip = sender.sign(sender.content(FramePayload::Skip(Skip { from: 0, to, dropped }), NOW));
        let answer = deliver(&mut world, "b.example", skip);
        assert_eq!(answer, if allowed { Ok(to) } else { Err(Refusal::Malformed) });
    }
}

/// A frame can be 8 MiB: its signature is checked once, however many rows are read.
#[test]
fn a_frame_costs_one_signature() {
    let (mut world, mut sender) = world();
    assert_eq!(deliver(&mut world, "b.example", one(&mut sender)), Ok(1));
    let entries = sender.entries(&group("a.example", 1), 1..2, &[]);
    let frame = sender.sign(sender.batch(1, entries, NOW));
    let before = VERIFICATIONS.get();
    assert_eq!(deliver(&mut world, "b.example", frame), Ok(2));
    assert_eq!(VERIFICATIONS.get() - before, 1);
}

#[test]
fn a_forged_frame_takes_nothing_off_the_rate_of_whom_it_names() {
    let (mut world, mut sender) = world();
    world.install("b.example", |config, _| slow(config));
    let entries = sender.entries(&group("a.example", 1), 0..100, &[]);
    let mut frame = sender.sign(sender.batch(0, entries, NOW));
    let signature = std::mem::replace(&mut frame.signature, Signature([1; 64]));
    assert_eq!(refused(&mut world, "b.example", frame.clone()), Refusal::InvalidFrameSignature);
    assert_eq!(deliver(&mut world, "b.example", Frame { signature, ..frame }), Ok(100));
}

#[test]
fn five_minutes_of_skew_work_either_way_and_beyond_it_the_answer_says_by_how_much() {
    for sent in [NOW - 5 * MINUTE, NOW + 5 * MINUTE] {
        let (mut world, mut sender) = world();
        let entries = sender.entries(&group("a.example", 1), 0..1, &[]);
        let frame = sender.sign(sender.batch(0, entries, sent));
        assert_eq!(deliver(&mut world, "b.example", frame), Ok(1));
    }
    let beyond = Duration::from_millis(5 * 60_000 + 17);
    for (sent, by) in [(NOW - beyond, 17), (NOW + beyond, 17), (NOW + Duration::from_secs(7500), 7_200_000)] {
        let (mut world, mut sender) = world();
        let entries = sender.entries(&group("a.example", 1), 0..1, &[]);
        let frame = sender.sign(sender.batch(0, entries, sent));
        let refusal = refused(&mut world, "b.example", frame);
        assert_eq!(refusal, Refusal::FrameOutsideTimeWindow { by_milliseconds: by });
        assert_eq!(world.asks, []);
    }
}

/// A sender whose whole clock is wrong, its envelope's time included, hears the same.
#[test]
fn a_sender_with_a_wrong_clock_hears_by_how_much() {
    let (mut world, mut sender) = world();
    let frame = {
        let entries = sender.entries(&group("a.example", 1), 0..1, &[]);
        sender.sign(sender.batch(0, entries, NOW + 20 * MINUTE))
    };
    let body = crate::wire::federation::EnqueueFederated { frame };
    let request = crate::wire::envelope::RequestEnvelope::to(
        domain("b.example"),
        NOW + 20 * MINUTE,
        crate::identifiers::RequestId([0; 16]),
        &body,
    )
    .unsigned()
    .unwrap();
    let answer = world.request(&domain("b.example"), &encode(&request)).reply.unwrap();
    let reply = crate::wire::envelope::ResponseEnvelope::read::<crate::wire::federation::EnqueueFederatedReply>(
        &answer,
    );
    assert_eq!(reply.unwrap().unwrap_err(), Refusal::FrameOutsideTimeWindow { by_milliseconds: 900_000 });
}

#[test]
fn an_unknown_key_is_looked_for_once_and_then_not_for_a_while() {
    let (mut world, mut sender) = world();
    assert_eq!(deliver(&mut world, "b.example", one(&mut sender)), Ok(1));
    assert_eq!(world.asks.len(), 1, "the source's keys");
    let entries = sender.entries(&group("a.example", 1), 1..2, &[]);
    let mut content = sender.batch(1, entries, NOW);
    content.key_id = KeyId([7; 8]);
    let frame = sender.sign(content);
    assert_eq!(refused(&mut world, "b.example", frame.clone()), Refusal::UnknownFrameKey);
    assert_eq!(world.asks.len(), 2, "one refetch");
    for _ in 0..10 {
        assert_eq!(refused(&mut world, "b.example", frame.clone()), Refusal::UnknownFrameKey);
    }
    assert_eq!(world.asks.len(), 2, "and no more");
    world.now = NOW + MINUTE;
    assert_eq!(refused(&mut world, "b.example", frame), Refusal::UnknownFrameKey);
    assert_eq!(world.asks.len(), 3);
    assert_eq!(world.count("b.example", RecordKind::PeerKeys), 1);
}

#[test]
fn a_source_whose_keys_cannot_be_had_is_asked_again_later_only() {
    let (mut world, mut sender) = world();
    world.down.insert(domain("a.example"));
    let frame = one(&mut sender);
    for _ in 0..3 {
        let refusal = refused(&mut world, "b.example", frame.clone());
        assert!(matches!(refusal, Refusal::PeerUnavailable { retry_after_milliseconds: 60_000, .. }));
    }
    assert_eq!(world.asks.len(), 1);
}

#[test]
fn a_changed_byte_in_any_field_is_refused() {
    let (mut world, mut sender) = world();
    assert_eq!(deliver(&mut world, "b.example", one(&mut sender)), Ok(1));
    let entries = sender.entries(&group("a.example", 1), 1..2, &[]);
    let frame = sender.sign(sender.batch(1, entries, NOW));
    let bytes = encode(&frame);
    let mut signatures = 0;
    for place in 0..bytes.len() {
        // The long ciphertext is one field: a few of its bytes do.
        if place > 400 && place < bytes.len() - 80 && place % 50 != 0 {
            continue;
        }
        let mut changed = bytes.clone();
        changed[place] ^= 1;
        let Ok(changed) = decode::<Frame>(&changed) else { continue };
        let refusal = refused(&mut world, "b.example", changed);
        let early = matches!(
            refusal,
            Refusal::WrongDestination
                | Refusal::FrameOutsideTimeWindow { .. }
                | Refusal::UnknownFrameKey
                | Refusal::PeerUnavailable { .. }
        );
        assert!(early || refusal == Refusal::InvalidFrameSignature, "byte {place}: {refusal:?}");
        signatures += u32::from(!early);
    }
    assert!(signatures > 200);
    assert_eq!(deliver(&mut world, "b.example", frame), Ok(2));
}

#[test]
fn another_homeserver_cannot_sign_in_the_sources_name() {
    let (mut world, mut sender) = world();
    let content = one(&mut sender).content;
    let signature = keys("c.example").queuing_key().unwrap().key.sign(&content);
    let frame = Frame { content: content.clone(), signature };
    assert_eq!(refused(&mut world, "b.example", frame), Refusal::InvalidFrameSignature);
    // Nor by naming its own key.
    let mut content = content;
    content.key_id = keys("c.example").queuing_key().unwrap().id;
    let signature = keys("c.example").queuing_key().unwrap().key.sign(&content);
    assert_eq!(refused(&mut world, "b.example", Frame { content, signature }), Refusal::UnknownFrameKey);
}

/// A frame that breaks every rule gets the refusal of the first; each one put right, that of the next.
#[test]
fn the_checks_come_in_their_order() {
    let (mut world, mut sender) = world();
    let group = group("a.example", 1);
    let entries = sender.entries(&group, 0..50, &[]);
    deliver(&mut world, "b.example", sender.sign(sender.batch(0, entries, NOW))).unwrap();
    world.install("b.example", |config, _| {
        slow(config);
        blocking(config);
    });
    let late = NOW + Duration::from_secs(8 * 60);
    let entry = sender.raw(b"no message");
    let mut content = sender.batch(70, vec![entry], late);
    content.destination = domain("c.example");
    content.key_id = KeyId([7; 8]);
    content.stream_id = StreamId([1; 16]);
    let forged = |content: &crate::wire::federation::FrameContent| Frame {
        content: content.clone(),
        signature: Signature([3; 64]),
    };
    assert_eq!(refused(&mut world, "b.example", forged(&content)), Refusal::WrongDestination);
    content.destination = domain("b.example");
    assert_eq!(refused(&mut world, "b.example", forged(&content)), Refusal::NotFederated);
    world.install("b.example", |config, _| slow(config));
    // The burst of fifty was counted while the limit was a higher one.
    let refusal = refused(&mut world, "b.example", forged(&content));
    assert_eq!(refusal, Refusal::RateLimited { retry_after_milliseconds: 3000 });
    world.now = NOW + Duration::from_secs(60);
    let refusal = refused(&mut world, "b.example", forged(&content));
    assert_eq!(refusal, Refusal::FrameOutsideTimeWindow { by_milliseconds: 120_000 });
    content.timestamp = world.now;
    assert_eq!(refused(&mut world, "b.example", forged(&content)), Refusal::UnknownFrameKey);
    content.key_id = keys("a.example").queuing_key().unwrap().id;
    assert_eq!(refused(&mut world, "b.example", forged(&content)), Refusal::InvalidFrameSignature);
    let refusal = refused(&mut world, "b.example", sender.sign(content.clone()));
    assert_eq!(refusal, Refusal::StreamPosition { expected: 50 });
    let FramePayload::Batch(batch) = &mut content.payload else { panic!("a batch") };
    batch.first_sequence = 50;
    batch.epoch = 9;
    let refusal = refused(&mut world, "b.example", sender.sign(content.clone()));
    assert_eq!(refusal, Refusal::StreamEpoch { epoch: 9 });
    let FramePayload::Batch(batch) = &mut content.payload else { panic!("a batch") };
    batch.epoch = 0;
    let refusal = refused(&mut world, "b.example", sender.sign(content));
    assert_eq!(refusal, Refusal::UnreadableEntry { sequence: 50 });
}
