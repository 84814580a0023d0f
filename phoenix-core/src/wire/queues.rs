//! PROTOCOL.md §3, §6, §7 — reading queues: what is asked, what comes back, and what entries are bound to.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::message::message;
use crate::{
    codec::{Codec, List, encode},
    crypto::{kdf::Hash, ratchet::QueueEntry},
    identifiers::{ClientId, QsClientId},
    limits::MAX_DEQUEUE,
};

message! {
    /// What to read of a queue, and what to drop from it.
    pub struct DequeueRange {
        /// Entries before this one have been read and are dropped; those from it on are wanted.
        pub first: u64,
        /// How many at most.
        pub maximum: u32,
        /// The generation of the queue's key that the client reads.
        pub generation: u32,
        /// The hash of the entry before `first` ([`QueueEntry::hash`]), as it was read: a queue that has another
        /// one there was restored from a backup, and starts a new generation.
        pub last: Option<Hash>,
    }

    /// Answer to a dequeue.
    pub struct DequeueReply {
        /// The entries, without gaps.
        pub entries: List<QueueEntry, MAX_DEQUEUE>,
        /// How many more there are.
        pub remaining: u64,
    }
}

/// Marks the direct queues of the authentication service.
pub(crate) const DIRECT_QUEUE: &str = "direct queue";

/// Marks the fan-out queues of the queuing service.
pub(crate) const FAN_OUT_QUEUE: &str = "fan-out queue";

/// What the entries of a queue are bound to, as associated data: the queue's kind and name. An entry of one queue is
/// none of another.
pub(crate) fn queue_name<N: Codec>(kind: &str, name: &N) -> Vec<u8> {
    [kind.as_bytes(), &encode(name)].concat()
}

/// What the entries of a client's direct queue are bound to.
pub fn direct_queue_name(client: &ClientId) -> Vec<u8> {
    queue_name(DIRECT_QUEUE, client)
}

/// What the entries of a client's fan-out queue are bound to.
pub fn fan_out_queue_name(client: &QsClientId) -> Vec<u8> {
    queue_name(FAN_OUT_QUEUE, client)
}
