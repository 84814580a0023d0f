//! PROTOCOL.md §6 — the direct queue: where connection requests wait for a client.

use super::accounts;
use crate::{
    codec::encode,
    collections::queue,
    crypto::hpke::HpkePublicKey,
    error::Refusal,
    identifiers::ClientId,
    operation::{Context, Interrupt, Transaction},
    request::Call,
    wire::{
        auth_service::{DequeueDirect, EnqueueDirect},
        message::Done,
        queues::DequeueReply,
    },
};

queue::queue!(Direct, ClientId, DirectQueue, DirectQueueEntry, crate::wire::queues::DIRECT_QUEUE);

/// Creates a client's queue.
pub(super) fn create(
    transaction: &mut Transaction,
    context: &mut Context,
    client: &ClientId,
    owner: HpkePublicKey,
) -> Result<(), Refusal> {
    queue::create::<Direct>(transaction, context, client, owner)
}

/// `enqueue_direct`: puts a sealed connection request into a client's queue.
pub(crate) fn enqueue_direct(
    transaction: &mut Transaction,
    context: &mut Context,
    call: &Call<'_, EnqueueDirect>,
) -> Result<Done, Interrupt> {
    call.redeem(transaction, context)?;
    let client = &call.body.client_id;
    let mut head = transaction.get::<DirectQueue>(client)?.ok_or(Refusal::NotFound)?;
    if head.as_mut().length() >= context.config().sizes.direct_queue {
        return Err(Refusal::QueueFull.into());
    }
    queue::append::<Direct>(transaction, context, client, &mut head, &encode(&call.body.package))?;
    Ok(Done)
}

/// `dequeue_direct`: entries from a position on; those before it are dropped.
pub(crate) fn dequeue_direct(
    transaction: &mut Transaction,
    context: &mut Context,
    call: &Call<'_, DequeueDirect>,
) -> Result<DequeueReply, Interrupt> {
    let client = &call.body.client_id;
    accounts::authenticate(transaction, context, call, client)?;
    queue::dequeue::<Direct>(transaction, context, client, &call.body.range)
}
