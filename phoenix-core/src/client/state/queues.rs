//! PROTOCOL.md §11 — what was read of the queues and is not followed yet.

use crate::{
    time::Timestamp,
    wire::fan_out::{Delivery, Gap},
};

/// What waits to be followed, in its group's order.
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

/// Where something was ordered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Confirmation {
    pub position: u64,
    pub epoch: u64,
    pub sent_at: Timestamp,
}
