//! Frames built by hand, so that any field can break the rules.

use phoenix_core::{
    credentials::{KeyId, PublishedHpkeKey},
    crypto::{hpke::HpkePublicKey, labels::Label, padding::pad, ratchet::RatchetSecret, sign::SigningKey},
    identifiers::Domain,
    rng::Random,
    time::Timestamp,
    wire::{
        codec::encode,
        fan_out::FanOutMessage,
        federation::{FederatedBatch, Frame, FrameContent, FramePayload, StreamId},
    },
};

/// The size that the smallest entries of a stream are padded to.
const SMALLEST_ENTRY: usize = 1024;

/// The header of a frame, true or forged.
pub struct Header {
    pub source: Domain,
    pub destination: Domain,
    pub timestamp: Timestamp,
    pub key_id: KeyId,
}

/// Builds a frame of a new stream with one message, sealed to the destination's stream key `to` and signed
/// with `key`. Returns `None` if `to` is not a valid key.
pub fn with_message(
    random: &mut Random,
    header: Header,
    key: &SigningKey,
    to: &PublishedHpkeKey,
    message: &FanOutMessage,
) -> Option<Frame> {
    let Header { source, destination, timestamp, key_id } = header;
    let stream_id = StreamId(random.array());
    let place = [encode(&source), encode(&destination), encode(&stream_id), encode(&(0u64, 0u64))].concat();
    let seed = RatchetSecret::random(random);
    let sealed_seed =
        HpkePublicKey(to.key).seal(random, Label::SEAL_STREAM_SEED, &place, seed.as_bytes()).ok()?;
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
