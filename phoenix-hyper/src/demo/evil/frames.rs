//! Frames as a homeserver makes them, for one that does not want to keep to the rules.

use phoenix_core::{
    codec::encode,
    credentials::{KeyId, PublishedHpkeKey},
    crypto::{labels::Label, padding::pad, ratchet::RatchetSecret, sign::SigningKey},
    identifiers::{Domain, StreamId},
    rng::Random,
    time::Timestamp,
    wire::{
        fan_out::FanOutMessage,
        federation::{FederatedBatch, Frame, FrameContent, FramePayload},
    },
};

/// What the smallest entries of a stream are padded to.
const SMALLEST_ENTRY: usize = 1024;

/// From whom and to whom a frame goes, or pretends to.
pub struct Header {
    pub source: Domain,
    pub destination: Domain,
    pub timestamp: Timestamp,
    pub key_id: KeyId,
}

/// A frame of a new stream with one message, sealed to the destination's stream key as it should be, signed with
/// `key`. `None` if nothing can be sealed to that key.
pub fn with_message(
    random: &mut Random,
    header: Header,
    (key, to): (&SigningKey, &PublishedHpkeKey),
    message: &FanOutMessage,
) -> Option<Frame> {
    let Header { source, destination, timestamp, key_id } = header;
    let stream_id = StreamId(random.array());
    let place = [encode(&source), encode(&destination), encode(&stream_id), encode(&(0u64, 0u64))].concat();
    let seed = RatchetSecret::random(random);
    let sealed_seed = to.key.seal(random, Label::SEAL_STREAM_SEED, &place, seed.as_bytes()).ok()?;
    let (_, message_key) = seed.step();
    let entry = message_key.seal(random, &place, &pad(&encode(message), SMALLEST_ENTRY).ok()?).ok()?;
    let payload = FramePayload::Batch(FederatedBatch {
        epoch: 0,
        seed_key_id: to.id,
        sealed_seed,
        epoch_first_sequence: 0,
        first_sequence: 0,
        entries: vec![entry].try_into().ok()?,
    });
    let content = FrameContent { source, destination, stream_id, timestamp, key_id, payload };
    let signature = key.sign(&content);
    Some(Frame { content, signature })
}
