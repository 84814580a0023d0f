//! PROTOCOL.md §7 — reading a fan-out queue, and listening to it.

use super::{fan_out_queue::FanOut, records};
use crate::{
    collections::queue,
    operation::{Context, Effect, Interrupt, Transaction},
    request::Call,
    wire::{
        message::Done,
        queues::DequeueReply,
        queuing_service::{Dequeue, Listen},
    },
};

/// `dequeue`: entries from a position on; those before it are dropped.
pub(crate) fn dequeue(
    transaction: &mut Transaction,
    context: &mut Context,
    call: &Call<'_, Dequeue>,
) -> Result<DequeueReply, Interrupt> {
    let (client, _) = records::authenticate(transaction, call)?;
    queue::dequeue::<FanOut>(transaction, context, &client, &call.body.range)
}

/// `listen`: whoever sent this is told of every delivery, as long as it stays connected.
pub(crate) fn listen(
    transaction: &mut Transaction,
    _: &mut Context,
    call: &Call<'_, Listen>,
) -> Result<Done, Interrupt> {
    let (client, _) = records::authenticate(transaction, call)?;
    transaction.effect(Effect::Listening(client));
    Ok(Done)
}
