//! PROTOCOL.md §9, Receiving — what is made in the attacker's own name is accepted; what is made in another's
//! is refused.

use super::{FrameHeader, frame_request, receipt_for};
use crate::{
    credentials::PublishedHpkeKey,
    crypto::sign::SigningKey,
    error::Refusal,
    identifiers::RequestId,
    queuing_service::tests::client::{LONG, TestClient},
    rng::Random,
    testing::{
        messages::group,
        world::{NOW, World, domain, keys},
    },
    time::{DAY, HOUR, Timestamp},
    wire::{
        envelope::ResponseEnvelope,
        fan_out::GapReason,
        federation::{EnqueueFederatedReply, Frame},
    },
};

const ATTACKER: &str = "attacker.example";
const VICTIM: &str = "victim.example";
const OTHER: &str = "other.example";

fn homeservers() -> World {
    World::of(&[ATTACKER, VICTIM, OTHER])
}

fn random() -> Random {
    Random::from_seed([5; 32])
}

fn key() -> SigningKey {
    keys(ATTACKER).queuing_key().unwrap().key.clone()
}

fn stream_key(name: &str) -> PublishedHpkeKey {
    keys(name).qs_key_set(&domain(name), NOW, DAY).unwrap().content.stream_keys[0].clone()
}

/// A header that hides nothing.
fn honest(timestamp: Timestamp) -> FrameHeader {
    let key_id = keys(ATTACKER).queuing_key().unwrap().id;
    FrameHeader { source: domain(ATTACKER), destination: domain(VICTIM), timestamp, key_id }
}

/// Returns what homeserver `at` answers to the request that carries `frame`.
fn deliver(world: &mut World, at: &str, frame: Frame) -> Result<u64, Refusal> {
    let request = frame_request(&domain(at), world.now, RequestId([0; 16]), frame).unwrap();
    let answer = world.request(&domain(at), &request).reply.unwrap();
    let reply = ResponseEnvelope::read::<EnqueueFederatedReply>(&answer).unwrap();
    reply.map(|reply| reply.accepted_through)
}

#[test]
fn an_honest_frame_is_accepted_and_its_message_is_read() {
    let mut world = homeservers();
    let mut client = TestClient::new(&mut world, VICTIM, 1);
    let of = group(ATTACKER, 1);
    let message = receipt_for(of.clone(), client.bound(&of), RequestId([1; 16]), NOW);
    let frame = honest(NOW).frame_with_message(&mut random(), &message, &stream_key(VICTIM), &key()).unwrap();
    assert_eq!(deliver(&mut world, VICTIM, frame), Ok(1));
    assert!(world.settle(LONG));
    assert_eq!(client.positions(&mut world, &of), [1]);
}

#[test]
fn a_stolen_configuration_leaves_a_marker_only() {
    let mut world = homeservers();
    let mut client = TestClient::new(&mut world, VICTIM, 1);
    let stolen = client.bound(&group(OTHER, 2));
    let of = group(ATTACKER, 1);
    let message = receipt_for(of.clone(), stolen, RequestId([1; 16]), NOW);
    let frame = honest(NOW).frame_with_message(&mut random(), &message, &stream_key(VICTIM), &key()).unwrap();
    assert_eq!(deliver(&mut world, VICTIM, frame), Ok(1));
    assert!(world.settle(LONG));
    assert_eq!(client.positions(&mut world, &of), [] as [u64; 0]);
    assert_eq!(client.reasons(), [GapReason::NotAuthorised]);
}

#[test]
fn empty_frames_are_accepted_in_the_attackers_name_only() {
    let mut world = homeservers();
    let mut random = random();
    assert_eq!(deliver(&mut world, VICTIM, honest(NOW).empty_frame(&mut random, &key())), Ok(0));
    let theirs = keys(OTHER).queuing_key().unwrap().id;
    let in_their_name = FrameHeader { source: domain(OTHER), ..honest(NOW) };
    let refused = [
        (FrameHeader { key_id: theirs, ..in_their_name.clone() }, VICTIM, Refusal::InvalidFrameSignature),
        (in_their_name, VICTIM, Refusal::UnknownFrameKey),
        (honest(NOW), OTHER, Refusal::WrongDestination),
        (honest(NOW - HOUR), VICTIM, Refusal::FrameOutsideTimeWindow { by_milliseconds: 55 * 60_000 }),
    ];
    for (header, at, refusal) in refused {
        let frame = header.empty_frame(&mut random, &key());
        assert_eq!(deliver(&mut world, at, frame), Err(refusal));
    }
}
