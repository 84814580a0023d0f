//! Frames as a homeserver makes them, for whoever does not want to keep to the rules.

use phoenix_core::{
    codec::encode,
    credentials::{KeyId, PublishedHpkeKey},
    crypto::{labels::Label, padding::pad, ratchet::RatchetSecret, sign::SigningKey},
    identifiers::{Domain, RequestId, StreamId},
    rng::Random,
    time::Timestamp,
    wire::{
        envelope::RequestEnvelope,
        fan_out::FanOutMessage,
        federation::{EnqueueFederated, FederatedBatch, Frame, FrameContent, FramePayload, Skip},
    },
};

/// What the smallest entries of a stream are padded to.
const SMALLEST_ENTRY: usize = 1024;

/// From whom and to whom a frame goes, or pretends to.
#[derive(Clone)]
pub(super) struct Header {
    pub source: Domain,
    pub destination: Domain,
    pub timestamp: Timestamp,
    pub key_id: KeyId,
}

/// A frame that passes over nothing: the least that one can say in somebody's name.
pub(super) fn empty(random: &mut Random, header: Header, key: &SigningKey) -> Frame {
    let skip = Skip { from: 0, to: 0, dropped: Vec::new().try_into().unwrap_or_default() };
    sign(StreamId(random.array()), header, FramePayload::Skip(skip), key)
}

/// A frame of a new stream with one message, sealed to the destination as it should be.
pub(super) fn with_message(
    random: &mut Random,
    header: Header,
    (key, to): (&SigningKey, &PublishedHpkeKey),
    message: &FanOutMessage,
) -> Option<Frame> {
    let stream_id = StreamId(random.array());
    let place =
        [encode(&header.source), encode(&header.destination), encode(&stream_id), encode(&(0u64, 0u64))]
            .concat();
    let seed = RatchetSecret::random(random);
    let sealed_seed = to.key.seal(random, Label::SEAL_STREAM_SEED, &place, seed.as_bytes()).ok()?;
    let (_, message_key) = seed.step();
    let entry = message_key.seal(random, &place, &pad(&encode(message), SMALLEST_ENTRY).ok()?).ok()?;
    let batch = FederatedBatch {
        epoch: 0,
        seed_key_id: to.id,
        sealed_seed,
        epoch_first_sequence: 0,
        first_sequence: 0,
        entries: vec![entry].try_into().ok()?,
    };
    Some(sign(stream_id, header, FramePayload::Batch(batch), key))
}

fn sign(stream_id: StreamId, header: Header, payload: FramePayload, key: &SigningKey) -> Frame {
    let Header { source, destination, timestamp, key_id } = header;
    let content = FrameContent { source, destination, stream_id, timestamp, key_id, payload };
    let signature = key.sign(&content);
    Frame { content, signature }
}

/// The request that brings a frame to `domain`.
pub(super) fn request(domain: &Domain, now: Timestamp, frame: Frame) -> Option<Vec<u8>> {
    let about = (domain.clone(), now, RequestId([0; 16]));
    let envelope = RequestEnvelope::new(about, &EnqueueFederated { frame }, None, None).ok()?;
    Some(encode(&envelope))
}
