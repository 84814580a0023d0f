//! PROTOCOL.md §3, Ratchets — the queue encryption ratchet: forward secrecy from each step, recovery from
//! each rotation.
//!
//! Read [`RatchetSecret`] and [`MessageKey`] first: they are the primitive, and federated streams use them by
//! themselves. [`QueueRatchet`] makes the entries of a queue at its service; [`QueueReader`] reads them at
//! the queue's owner.
//!
//! What holds: the ratchet's present state opens no earlier message; after a rotation, a stolen state opens
//! no later one either. A ratchet's state is stored in the same batch as the entry it made. If that batch is
//! lost, the service goes on from the state before it: the same message key then meets other content, which
//! is why each entry carries a random nonce besides its position.

mod queue;
mod reader;
mod secret;

pub use queue::{QueueEntry, QueueEntryContent, QueueRatchet, SMALLEST_ENTRY};
pub use reader::{QueueReadError, QueueReader};
pub use secret::{MAX_RATCHET_CIPHERTEXT, MessageKey, RatchetCiphertext, RatchetSecret};
