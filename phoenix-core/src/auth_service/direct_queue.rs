//! PROTOCOL.md §6, Direct queue — where connection requests wait for a client.

use super::accounts;
use crate::{
    codec::encode,
    collections::queue::{self, Head, Queue},
    config::Plant,
    crypto::hpke::HpkePublicKey,
    error::Refusal,
    identifiers::ClientId,
    operation::{Interrupt, Lane, Transaction},
    request::{Call, Serve},
    store::RecordKind,
    wire::{
        auth_service::{DequeueDirect, EnqueueDirect},
        envelope::RequestEnvelope,
        message::Done,
        queues::{DIRECT_QUEUE, DequeueReply},
    },
};

/// Direct queues: one for each client of the authentication service.
pub(crate) enum Direct {}

impl Queue for Direct {
    type Name = ClientId;

    const HEAD: RecordKind = RecordKind::DirectQueue;
    const ENTRY: RecordKind = RecordKind::DirectQueueEntry;
    const LABEL: &'static str = DIRECT_QUEUE;
}

/// Creates a client's queue.
pub(super) fn create(
    transaction: &mut Transaction<'_>,
    client: &ClientId,
    owner: HpkePublicKey,
) -> Result<(), Refusal> {
    Head::<Direct>::create(transaction, client, owner)
}

/// `enqueue_direct`: puts a sealed connection request into a client's queue.
impl Serve for EnqueueDirect {
    fn lane(&self, _: &RequestEnvelope) -> Lane {
        Lane::of(&[b"direct", &encode(&self.client_id)])
    }

    fn serve(transaction: &mut Transaction<'_>, call: &Call<'_, Self>) -> Result<Done, Interrupt> {
        call.redeem(transaction)?;
        let client = &call.body.client_id;
        let mut head = transaction.get::<Head<Direct>>(client)?.ok_or(Refusal::NotFound)?;
        if head.length() >= transaction.config().sizes.direct_queue {
            return Err(Refusal::QueueFull.into());
        }
        head.append(transaction, client, &encode(&call.body.package))?;
        Ok(Done)
    }
}

/// `dequeue_direct`: entries from a position on; those before it are dropped.
impl Serve for DequeueDirect {
    // Apart from the callers that fill the queue: however many they are, its owner does not wait behind them.
    fn lane(&self, _: &RequestEnvelope) -> Lane {
        Lane::of(&[b"direct reading", &encode(&self.client_id)])
    }

    fn serve(transaction: &mut Transaction<'_>, call: &Call<'_, Self>) -> Result<DequeueReply, Interrupt> {
        let client = &call.body.client_id;
        if transaction.planted(Plant::IgnoreQueueOwner) {
            call.accept_proof(transaction);
        } else {
            accounts::authenticate(transaction, call, client)?;
        }
        queue::dequeue::<Direct>(transaction, client, &call.body.range)
    }
}
