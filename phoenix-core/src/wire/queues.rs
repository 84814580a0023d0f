//! PROTOCOL.md §6, Reading a queue — direct queues and fan-out queues are read alike: what is asked, what
//! comes back, and what entries are bound to.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::message::message;
use crate::{
    codec::{Codec, List, encode},
    crypto::{kdf::Hash, ratchet::QueueEntry},
    identifiers::{ClientId, QsClientId},
    limits::MAX_DEQUEUE,
};

message! {
    /// What to read of a queue, and what to drop from it. The queue's owner sends it, in
    /// [`DequeueDirect`](super::auth_service::DequeueDirect) or [`Dequeue`](super::queuing_service::Dequeue).
    pub struct DequeueRange {
        /// The sequence number of the first entry wanted. Entries before it are acknowledged, and dropped.
        pub first: u64,
        /// The most entries to return.
        pub maximum: u32,
        /// The generation of the queue's key that the client reads.
        pub generation: u32,
        /// The hash of the entry before `first` as the client read it ([`QueueEntry::hash`]). A queue that
        /// has another one there was restored from a backup, and starts a new generation.
        pub last: Option<Hash>,
    }

    /// Answer to [`DequeueRange`].
    pub struct DequeueReply {
        /// The sequence number of the queue's oldest entry, or of the one that comes next if there is none.
        /// If it is greater than the `first` that was asked for, the owner has read further before, and asks
        /// with an old copy of its state.
        pub first: u64,
        /// The entries from `first` on, without gaps.
        pub entries: List<QueueEntry, MAX_DEQUEUE>,
        /// How many more are in the queue.
        pub remaining: u64,
    }
}

/// Marks the names of direct queues, which the authentication service keeps.
pub(crate) const DIRECT_QUEUE: &str = "direct queue";

/// Marks the names of fan-out queues, which the queuing service keeps.
pub(crate) const FAN_OUT_QUEUE: &str = "fan-out queue";

/// Returns a queue's name: its kind, then the encoded id of its owner. Entries are bound to it as associated
/// data, so that an entry of one queue is none of another.
pub(crate) fn queue_name<N: Codec>(kind: &str, name: &N) -> Vec<u8> {
    [kind.as_bytes(), &encode(name)].concat()
}

/// Returns the name of a client's direct queue, which its entries are bound to (§6, Direct queue).
pub fn direct_queue_name(client: &ClientId) -> Vec<u8> {
    queue_name(DIRECT_QUEUE, client)
}

/// Returns the name of a client's fan-out queue, which its entries are bound to (§7, Reading and listening).
pub fn fan_out_queue_name(client: &QsClientId) -> Vec<u8> {
    queue_name(FAN_OUT_QUEUE, client)
}
