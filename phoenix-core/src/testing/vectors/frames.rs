//! PROTOCOL.md §9.3, §9.4 — a batch and a skip, as a homeserver accepts them.

use super::{
    NOW, Vector, check,
    credentials::{CONFIG, config_key, sealed_config},
};
use crate::{
    config::Config,
    credentials::PublishedHpkeKey,
    crypto::hpke::HpkePrivateKey,
    forgery::{FrameHeader, frame_request},
    homeserver::Homeserver,
    identifiers::{Domain, GroupId, GroupUuid, RequestId},
    keys::{DatedKey, QueuingKey, ServiceKeys},
    rng::Random,
    testing::world::World,
    wire::{
        fan_out::{Binding, FanOutContent, FanOutMessage, Receipt, Recipient},
        federation::{DroppedMessage, EnqueueFederatedReply, Frame, FrameContent, FramePayload, Skip},
    },
};

const STREAM: [u8; 32] = [0x21; 32];

fn keys(domain: &Domain, seed: u8) -> ServiceKeys {
    ServiceKeys::generate(domain, &mut Random::from_seed([seed; 32]), NOW)
}

/// Sends `frame` to its destination: the vector of what travels.
fn exchange(world: &mut World, name: &str, frame: Frame, accepted_through: u64) -> Vector {
    let destination = frame.content.destination.clone();
    let request = frame_request(&destination, NOW, RequestId([0; 16]), frame.clone()).unwrap();
    let recorded = world.request(&destination, &request);
    assert_eq!(recorded.answer(), Ok(EnqueueFederatedReply { accepted_through }));
    Vector::new(name)
        .encoded("frame", &frame)
        .bytes("request", &request)
        .bytes("response", &recorded.reply.unwrap())
}

#[test]
fn frames() {
    let [source, destination]: [Domain; 2] = ["a.example", "b.example"].map(|name| name.parse().unwrap());
    let source_keys = keys(&source, 1);
    let mut destination_keys = keys(&destination, 2);
    let stream_key = HpkePrivateKey::from_bytes(&STREAM).unwrap();
    let to = PublishedHpkeKey::new(stream_key.public_key(), destination_keys.stream[0].expiration);
    destination_keys.stream = vec![DatedKey { key: stream_key, expiration: to.expiration }];
    let key = HpkePrivateKey::from_bytes(&CONFIG).unwrap();
    destination_keys.config = vec![DatedKey { key, expiration: config_key().expiration }];
    let QueuingKey { id: key_id, key } = source_keys.queuing_key().unwrap();
    let key = key.clone();

    let group_id = GroupId { uuid: GroupUuid([5; 16]), domain: source.clone() };
    let binding = Binding::Bound { ds_domain: source.clone(), group_id: group_id.clone() };
    let [first, second] = [7, 8].map(|seed| sealed_config([seed; 32], destination.clone(), binding.clone()));
    let receipt = Receipt { request_id: RequestId([6; 16]), epoch: 3 };
    let message = FanOutMessage {
        group_id: group_id.clone(),
        position: 7,
        sent_at: NOW,
        contents: vec![FanOutContent::Receipt(receipt)].try_into().unwrap(),
        recipients: vec![Recipient { content: 0, config: first }].try_into().unwrap(),
    };
    let random = &mut Random::from_seed([3; 32]);
    let header =
        FrameHeader { source: source.clone(), destination: destination.clone(), timestamp: NOW, key_id };
    let batch = header.frame_with_message(random, &message, &to, &key).unwrap();
    let dropped = DroppedMessage { group_id, position: 8, recipients: vec![second].try_into().unwrap() };
    let skip = Skip { from: 1, to: 3, dropped: vec![dropped].try_into().unwrap() };
    let content = FrameContent { payload: FramePayload::Skip(skip), ..batch.content.clone() };
    let skip = Frame { signature: key.sign(&content), content };

    let mut world = World::new(NOW);
    for (domain, keys) in [(source, source_keys), (destination, destination_keys)] {
        world.add(Homeserver::new(Config::new(domain), keys));
    }
    let vectors = [
        Vector::new("keys")
            .bytes("signing_private_key", key.to_bytes().as_slice())
            .encoded("signing_key_id", &key_id)
            .bytes("stream_private_key", &STREAM)
            .encoded("stream_key_id", &to.id)
            .bytes("config_private_key", &CONFIG)
            .encoded("config_key_id", &config_key().id),
        exchange(&mut world, "batch", batch, 1).encoded("plaintext", &message),
        exchange(&mut world, "skip", skip, 3),
    ];
    check("frames.json", include_str!("../../../vectors/frames.json"), &vectors);
}
