//! PROTOCOL.md §9 — frames between queuing services.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::{fan_out::ClientQueueConfig, message::message};
use crate::{
    codec::List,
    credentials::KeyId,
    crypto::{
        hpke::HpkeCiphertext,
        labels::Label,
        ratchet::RatchetCiphertext,
        sign::{Signable, Signature},
    },
    identifiers::{Domain, GroupId, StreamId},
    limits::{MAX_MEMBERS, MAX_STREAM_EPOCH},
    time::Timestamp,
};

message! {
    /// Delivers a frame of a federated stream.
    pub struct EnqueueFederated {
        /// The frame.
        pub frame: Frame,
    }

    /// Answer to [`EnqueueFederated`].
    pub struct EnqueueFederatedReply {
        /// Every entry before this one is accepted.
        pub accepted_through: u64,
    }

    /// Signed content of a frame, and the signature of the source's queuing service.
    pub struct Frame {
        /// What is signed.
        pub content: FrameContent,
        /// With the key that the content names.
        pub signature: Signature,
    }

    /// What a frame's signature covers.
    pub struct FrameContent {
        /// The homeserver that delivers.
        pub source: Domain,
        /// The homeserver that it delivers to.
        pub destination: Domain,
        /// The stream; a new one after the source has lost its state.
        pub stream_id: StreamId,
        /// When the frame was made.
        pub timestamp: Timestamp,
        /// The signing key.
        pub key_id: KeyId,
        /// Entries, or where there are none.
        pub payload: FramePayload,
    }

    /// Entries of one epoch, without gaps.
    pub struct FederatedBatch {
        /// The epoch.
        pub epoch: u64,
        /// The stream key that the seed is sealed to.
        pub seed_key_id: KeyId,
        /// The epoch's seed, sealed to the destination's stream key.
        pub sealed_seed: HpkeCiphertext,
        /// The sequence number of the epoch's first entry.
        pub epoch_first_sequence: u64,
        /// The sequence number of the first entry here.
        pub first_sequence: u64,
        /// The entries, each an encrypted [`FanOutMessage`](super::fan_out::FanOutMessage).
        pub entries: List<RatchetCiphertext, { MAX_STREAM_EPOCH as usize }>,
    }

    /// Passes over entries that were dropped or cannot be opened.
    pub struct Skip {
        /// The first one.
        pub from: u64,
        /// The one after the last.
        pub to: u64,
        /// Whose messages were among them, so that these clients find gap markers.
        pub dropped: List<DroppedMessage, { MAX_STREAM_EPOCH as usize }>,
    }

    /// The recipients of a message that was dropped.
    pub struct DroppedMessage {
        /// The group.
        pub group_id: GroupId,
        /// Its position there.
        pub position: u64,
        /// Who would have got it.
        pub recipients: List<ClientQueueConfig, MAX_MEMBERS>,
    }
}

impl Signable for FrameContent {
    // Batches and skips are told apart by their discriminant, inside what is signed.
    const LABEL: Label = Label::FEDERATED_BATCH;
}

/// What a frame brings.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub enum FramePayload {
    /// Entries.
    #[tls_codec(discriminant = 1)]
    Batch(FederatedBatch),
    /// Where there are none.
    #[tls_codec(discriminant = 2)]
    Skip(Skip),
}
