//! PROTOCOL.md §6, Reading a queue — what waits for a client, encrypted to it, in order and without gaps.
//!
//! One mechanism for the direct queues of the authentication service and the fan-out queues of the queuing
//! service. A head row counts the entries and holds the ratchet; each entry is a row of its own. The owner
//! reads from a position and thereby acknowledges all before it.
//!
//! * `head`: the rows; entries are appended here.
//! * `deliveries`: how many come in a minute.
//! * `dequeue`: entries are read and acknowledged.
//! * `restore`: the queue was restored from a backup, and its owner has read what it does not have.

mod deliveries;
mod dequeue;
mod head;
mod restore;

pub(crate) use dequeue::dequeue;
pub(crate) use head::{Head, MAX_MARKED, Queue};
