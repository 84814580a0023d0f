//! PROTOCOL.md §9, QS-to-QS delivery — frames, which one homeserver's queuing service sends to another's.
//!
//! A frame belongs to a *stream*: entries with consecutive sequence numbers, from one homeserver to another.
//! It brings entries of one *epoch*, encrypted under a chain of keys that starts from a sealed seed, or says
//! that entries are passed over.

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
    /// Delivers a frame, from the queuing service of another homeserver (§9, Receiving). The request around
    /// it is neither signed nor held to a time: the frame is.
    pub struct EnqueueFederated {
        /// A frame of any stream from the sender to this homeserver.
        pub frame: Frame,
    }

    /// Answer to [`EnqueueFederated`].
    pub struct EnqueueFederatedReply {
        /// The sequence number that is expected next: every entry before it is accepted, and can be dropped.
        pub accepted_through: u64,
    }

    /// A frame, signed by the source's queuing service (§9, QS-to-QS delivery).
    pub struct Frame {
        /// What is signed.
        pub content: FrameContent,
        /// The signature over the content, by the key that it names.
        pub signature: Signature,
    }

    /// What a frame's signature covers (§9, QS-to-QS delivery).
    pub struct FrameContent {
        /// The homeserver that delivers.
        pub source: Domain,
        /// The homeserver that it delivers to.
        pub destination: Domain,
        /// The stream. The source begins another one when it has lost its state.
        pub stream_id: StreamId,
        /// When the frame was made, by the source's clock.
        pub timestamp: Timestamp,
        /// The published key of the source's queuing service that signs.
        pub key_id: KeyId,
        /// Entries, or those that are passed over.
        pub payload: FramePayload,
    }

    /// Entries of one epoch, without gaps (§9, QS-to-QS delivery).
    pub struct FederatedBatch {
        /// The epoch's number. Numbers only grow.
        pub epoch: u64,
        /// The stream key of the destination that the seed is sealed to.
        pub seed_key_id: KeyId,
        /// The epoch's seed, sealed: its first chain key.
        pub sealed_seed: HpkeCiphertext,
        /// The sequence number of the epoch's first entry.
        pub epoch_first_sequence: u64,
        /// The sequence number of the first entry in this batch.
        pub first_sequence: u64,
        /// The entries, each an encrypted [`FanOutMessage`](super::fan_out::FanOutMessage).
        pub entries: List<RatchetCiphertext, { MAX_STREAM_EPOCH as usize }>,
    }

    /// Passes over entries that were dropped or cannot be opened (§9, QS-to-QS delivery).
    pub struct Skip {
        /// The sequence number of the first entry passed over.
        pub from: u64,
        /// The sequence number of the first entry after them.
        pub to: u64,
        /// The messages among them whose recipients are still known: these clients find gap markers.
        pub dropped: List<DroppedMessage, { MAX_STREAM_EPOCH as usize }>,
    }

    /// A message that was dropped, and its recipients at the destination (§9, QS-to-QS delivery).
    pub struct DroppedMessage {
        /// The group that the message is of.
        pub group_id: GroupId,
        /// The message's position in the group's order.
        pub position: u64,
        /// The ways to the queues of those who would have got it.
        pub recipients: List<ClientQueueConfig, MAX_MEMBERS>,
    }
}

impl Signable for FrameContent {
    // Batches and skips are told apart by their discriminant, inside what is signed.
    const LABEL: Label = Label::FEDERATED_BATCH;
}

/// What a frame brings (§9, QS-to-QS delivery).
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub enum FramePayload {
    /// Entries to accept.
    #[tls_codec(discriminant = 1)]
    Batch(FederatedBatch),
    /// Entries to pass over.
    #[tls_codec(discriminant = 2)]
    Skip(Skip),
}
