//! PROTOCOL.md §7, Reading and listening — reading a fan-out queue, and being told when it grows.

use super::{fan_out_queue::FanOut, records};
use crate::{
    collections::queue,
    operation::{Effect, Interrupt, Lane, Transaction},
    request::{Call, Serve},
    wire::{
        envelope::RequestEnvelope,
        message::Done,
        queues::DequeueReply,
        queuing_service::{Dequeue, Listen},
    },
};

/// `dequeue`: entries from a position on; those before it are dropped.
impl Serve for Dequeue {
    fn lane(&self, envelope: &RequestEnvelope) -> Lane {
        Lane::sender(envelope)
    }

    fn serve(transaction: &mut Transaction<'_>, call: &Call<'_, Self>) -> Result<DequeueReply, Interrupt> {
        let (client, _) = records::authenticate(transaction, call)?;
        queue::dequeue::<FanOut>(transaction, &client, &call.body.range)
    }
}

/// `listen`: the client is told of every delivery, as long as it stays connected.
impl Serve for Listen {
    fn lane(&self, envelope: &RequestEnvelope) -> Lane {
        Lane::sender(envelope)
    }

    fn serve(transaction: &mut Transaction<'_>, call: &Call<'_, Self>) -> Result<Done, Interrupt> {
        let (client, _) = records::authenticate(transaction, call)?;
        transaction.effect(Effect::Listening(client));
        Ok(Done)
    }
}
