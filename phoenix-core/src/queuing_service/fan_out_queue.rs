//! PROTOCOL.md §7, Enqueue — the fan-out queue of a client; PROTOCOL.md §7, Gap markers — what stands in it
//! for messages that a bound kept out.

use crate::{
    codec::encode,
    collections::queue::{Head, MAX_MARKED, Queue},
    crypto::{hpke::HpkePublicKey, kdf::Hash},
    error::Refusal,
    identifiers::QsClientId,
    operation::{Context, Effect, Interrupt, Transaction},
    store::{Key, RecordKind},
    time::MINUTE,
    wire::{
        fan_out::{Gap, GapReason, QueueMessage},
        queues::FAN_OUT_QUEUE,
    },
};

/// Fan-out queues: one for each client of the queuing service.
pub(crate) enum FanOut {}

impl Queue for FanOut {
    type Name = QsClientId;

    const HEAD: RecordKind = RecordKind::FanOutQueue;
    const ENTRY: RecordKind = RecordKind::FanOutQueueEntry;
    const LABEL: &'static str = FAN_OUT_QUEUE;
}

/// The number of markers that may exceed the queue's limit: they say that it was full. Every membership finds
/// room.
const ROOM_FOR_MARKERS: u64 = MAX_MARKED as u64;

/// The number of memberships that deliveries can mark which the client did not authorise.
const UNAUTHORISED_MARKERS: usize = 64;

/// Creates a client's queue.
pub(super) fn create(
    transaction: &mut Transaction<'_>,
    client: QsClientId,
    owner: HpkePublicKey,
) -> Result<(), Refusal> {
    Head::<FanOut>::create(transaction, &client, owner)
}

/// The row that every delivery to the client reads.
pub(super) fn row(client: &QsClientId) -> Key {
    Key::of::<Head<FanOut>>(client)
}

/// The queue's head. `None` if it is lost or damaged: that concerns its owner alone.
pub(super) fn head(
    transaction: &mut Transaction<'_>,
    client: &QsClientId,
) -> Result<Option<Head<FanOut>>, Interrupt> {
    Ok(transaction.read::<Head<FanOut>>(client)?.intact())
}

impl Head<FanOut> {
    /// Whether the queue has no room for another delivery.
    pub(super) fn is_full(&self, context: &Context) -> bool {
        self.length() >= context.config().sizes.fan_out_queue
    }

    /// Counts a delivery, unless it is one too many for the client or the membership.
    pub(super) fn admit(&mut self, context: &Context, membership: &Hash) -> bool {
        let rates = &context.config().rates;
        let deliveries = self.window.present(context.now(), MINUTE);
        deliveries.admit(membership, rates.client_per_minute, rates.membership_per_minute)
    }

    /// Appends a delivery.
    ///
    /// # Errors
    /// A refusal if the message is too long for an entry.
    pub(super) fn deliver(
        mut self,
        transaction: &mut Transaction<'_>,
        client: &QsClientId,
        message: &QueueMessage,
    ) -> Result<(), Refusal> {
        self.append(transaction, client, &encode(message))
    }

    /// Appends a gap marker for a membership, unless one waits already, or there is no room even for it.
    ///
    /// # Errors
    /// A refusal if the marker cannot be sealed.
    pub(super) fn mark(
        mut self,
        transaction: &mut Transaction<'_>,
        client: &QsClientId,
        membership: Hash,
        gap: Gap,
    ) -> Result<(), Refusal> {
        let limit = transaction.config().sizes.fan_out_queue.saturating_add(ROOM_FOR_MARKERS);
        // Strangers cannot use up the queue by what is refused to them.
        let most = match gap.reason {
            GapReason::NotAuthorised | GapReason::Expired => UNAUTHORISED_MARKERS,
            GapReason::QueueFull | GapReason::Rate | GapReason::Dropped => MAX_MARKED,
        };
        if self.marked.contains(&membership) || self.marked.len() >= most || self.length() >= limit {
            return Ok(());
        }
        let _ = self.marked.push(membership);
        self.append(transaction, client, &encode(&QueueMessage::Gap(gap)))?;
        transaction.effect(Effect::Signal(*client));
        Ok(())
    }
}
