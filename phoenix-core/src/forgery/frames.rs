//! PROTOCOL.md §9, QS-to-QS delivery — frames, and the requests that carry them.

use crate::{
    codec::{DecodeError, List, encode},
    credentials::{KeyId, PublishedHpkeKey},
    crypto::{aead::EncryptionError, labels::Label, padding::pad, ratchet::RatchetSecret, sign::SigningKey},
    identifiers::{Domain, RequestId, StreamId},
    rng::Random,
    time::Timestamp,
    wire::{
        envelope::RequestEnvelope,
        fan_out::FanOutMessage,
        federation::{EnqueueFederated, FederatedBatch, Frame, FrameContent, FramePayload, Skip},
    },
};

/// The padded size of short stream entries, in bytes. Receivers accept any bucket; honest senders use this
/// one.
const SMALLEST_ENTRY: usize = 1024;

/// What a frame claims about itself, apart from its stream and its payload.
#[derive(Debug, Clone)]
pub struct FrameHeader {
    /// The homeserver that the frame claims to come from.
    pub source: Domain,
    /// The homeserver that the frame is for. Its stream key seals the payload, and no other accepts the
    /// frame.
    pub destination: Domain,
    /// When the frame claims to be made.
    pub timestamp: Timestamp,
    /// The id of the key that the frame claims to be signed with.
    pub key_id: KeyId,
}

impl FrameHeader {
    /// Returns a frame of a new stream that skips no entry, signed with `key`: the shortest frame there is.
    pub fn empty_frame(self, random: &mut Random, key: &SigningKey) -> Frame {
        let skip = Skip { from: 0, to: 0, dropped: List::default() };
        self.sign(StreamId(random.array()), FramePayload::Skip(skip), key)
    }

    /// Returns a frame of a new stream with one message, sealed to the destination's stream key `to` as the
    /// protocol says, signed with `key`.
    ///
    /// # Errors
    /// [`EncryptionError`] if `to` is not a valid public key, or `message` is longer than an entry can be.
    pub fn frame_with_message(
        self,
        random: &mut Random,
        message: &FanOutMessage,
        to: &PublishedHpkeKey,
        key: &SigningKey,
    ) -> Result<Frame, EncryptionError> {
        let stream_id = StreamId(random.array());
        let (epoch, sequence) = (0, 0);
        let associated = [
            encode(&self.source),
            encode(&self.destination),
            encode(&stream_id),
            encode(&epoch),
            encode(&sequence),
        ]
        .concat();
        let seed = RatchetSecret::random(random);
        let sealed_seed = to.key.seal(random, Label::SEAL_STREAM_SEED, &associated, seed.as_bytes())?;
        let (_, message_key) = seed.step();
        let padded = pad(&encode(message), SMALLEST_ENTRY)?;
        let entry = message_key.seal(random, &associated, &padded)?;
        let batch = FederatedBatch {
            epoch,
            seed_key_id: to.id,
            sealed_seed,
            epoch_first_sequence: sequence,
            first_sequence: sequence,
            entries: vec![entry].try_into().map_err(|_| EncryptionError::TooLong)?,
        };
        Ok(self.sign(stream_id, FramePayload::Batch(batch), key))
    }

    fn sign(self, stream_id: StreamId, payload: FramePayload, key: &SigningKey) -> Frame {
        let Self { source, destination, timestamp, key_id } = self;
        let content = FrameContent { source, destination, stream_id, timestamp, key_id, payload };
        let signature = key.sign(&content);
        Frame { content, signature }
    }
}

/// Returns the encoded request that carries `frame` to `domain`, which need not be the frame's destination.
///
/// # Errors
/// [`DecodeError`] if the frame is longer than a request can be.
pub fn frame_request(
    domain: &Domain,
    now: Timestamp,
    request_id: RequestId,
    frame: Frame,
) -> Result<Vec<u8>, DecodeError> {
    Ok(encode(&RequestEnvelope::to(domain.clone(), now, request_id, &EnqueueFederated { frame }).unsigned()?))
}
