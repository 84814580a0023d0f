//! PROTOCOL.md §11.7 — queue entries that are decrypted but not followed yet.

use crate::{
    time::Timestamp,
    wire::fan_out::{Delivery, Gap},
};

/// An entry of a group's inbox, which waits to be followed.
#[derive(Clone)]
pub(crate) enum InboxEntry {
    Delivery(Delivery),
    Gap(Gap),
}

impl InboxEntry {
    pub fn position(&self) -> u64 {
        match self {
            Self::Delivery(delivery) => delivery.position,
            Self::Gap(gap) => gap.position,
        }
    }
}

/// What a receipt says of a commit or message that was ordered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Confirmation {
    pub position: u64,
    pub epoch: u64,
    pub sent_at: Timestamp,
}
