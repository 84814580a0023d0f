//! PROTOCOL.md §9, Receiving — a frame from its arrival to its acceptance, each check in its order.
//!
//! version and size (the dispatch) → destination → policy → source's rate → time window → key → signature →
//! stream position → decrypt → fan-out rows and the stream's new position. The per-recipient checks follow
//! when the rows are distributed: one bad recipient never holds up a stream.

use super::{
    source::InboundSource,
    stream::{InboundName, InboundStream},
};
use crate::{
    codec::encode,
    config::{Direction, Plant},
    credentials::validation::ValidatedQsKeys,
    error::Refusal,
    federation::peer,
    operation::{Context, Interrupt, Lane, Transaction},
    peer_keys::{self, Caller},
    request::{Call, Serve},
    store::Key,
    wire::{
        envelope::RequestEnvelope,
        federation::{EnqueueFederated, EnqueueFederatedReply, Frame, FrameContent, FramePayload},
    },
};

/// `enqueue_federated`: accepts a frame of a stream.
impl Serve for EnqueueFederated {
    fn lane(&self, _: &RequestEnvelope) -> Lane {
        let content = &self.frame.content;
        Lane::of(&[b"stream", &encode(&content.source), &encode(&content.stream_id)])
    }

    fn serve(
        transaction: &mut Transaction<'_>,
        call: &Call<'_, Self>,
    ) -> Result<EnqueueFederatedReply, Interrupt> {
        let frame = &call.body.frame;
        let content = &frame.content;
        if content.destination != *transaction.domain() && !transaction.planted(Plant::IgnoreDestination) {
            return Err(Refusal::WrongDestination.into());
        }
        transaction.config().federation.check(Direction::Inbound, &content.source)?;
        let name = InboundName { source: content.source.clone(), stream_id: content.stream_id };
        load(transaction, &name)?;
        // What is damaged begins anew, as if it were lost: the source goes on from where it is.
        let source = transaction.read::<InboundSource>(&content.source)?.intact();
        let mut source = source.unwrap_or_default();
        source.check_rate(transaction.context())?;
        check_time(transaction.context(), content)?;
        check_signature(transaction, frame)?;
        call.accept_proof(transaction);
        // The source is authenticated, so it is reachable: what waits for it can go.
        peer::reachable(transaction, &content.source)?;
        // Charged even if the frame is refused below: verifying it was the cost.
        source.charge(transaction.context(), parts(content));
        transaction.put(&content.source, &source);
        transaction.savepoint();
        let stream = transaction.read::<InboundStream>(&name)?.intact();
        source.note_stream(transaction, &name)?;
        let mut stream = stream.unwrap_or_else(|| InboundStream::begin(transaction, &content.payload));
        let more = match &content.payload {
            FramePayload::Batch(batch) => stream.accept_batch(transaction, &name, batch)?,
            FramePayload::Skip(skip) => stream.accept_skip(transaction, &name, skip)?,
        };
        source.charge(transaction.context(), more);
        transaction.put(&content.source, &source);
        transaction.put(&name, &stream);
        Ok(EnqueueFederatedReply { accepted_through: stream.next })
    }
}

/// Loads what the frame needs in one round, before the signature: each row that is missing later has it
/// checked again.
fn load(transaction: &mut Transaction<'_>, name: &InboundName) -> Result<(), Interrupt> {
    let keys = peer_keys::rows::<ValidatedQsKeys>(&name.source);
    let rows =
        vec![Key::of::<InboundSource>(&name.source), peer::row(&name.source), Key::of::<InboundStream>(name)];
    transaction.snapshot().load(&[rows, keys].concat())
}

fn check_time(context: &Context, content: &FrameContent) -> Result<(), Refusal> {
    let window = context.config().times.frame_window;
    let off = content.timestamp.since(context.now()).max(context.now().since(content.timestamp));
    if off > window && !context.planted(Plant::IgnoreFrameTime) {
        let by_milliseconds = u64::try_from((off - window).as_millis()).unwrap_or(u64::MAX);
        return Err(Refusal::FrameOutsideTimeWindow { by_milliseconds });
    }
    Ok(())
}

/// Finds the key by its id, fetched if it is not known, and verifies the signature with it.
fn check_signature(transaction: &mut Transaction<'_>, frame: &Frame) -> Result<(), Interrupt> {
    let content = &frame.content;
    let wanted = Some(content.key_id);
    let keys = peer_keys::queuing_keys(transaction, &content.source, wanted, Caller::Stranger)?;
    let key = keys.verifying_key(content.key_id, transaction.now()).ok_or(Refusal::UnknownFrameKey)?;
    if transaction.planted(Plant::SkipSignature) {
        return Ok(());
    }
    Ok(key.verify(content, &frame.signature).map_err(|_| Refusal::InvalidFrameSignature)?)
}

/// What a frame costs of the source's rate before it is opened: one for each entry; for a skip, one and one
/// for each message in it.
fn parts(content: &FrameContent) -> u64 {
    let parts = match &content.payload {
        FramePayload::Batch(batch) => batch.entries.len(),
        FramePayload::Skip(skip) => 1 + skip.dropped.len(),
    };
    parts.max(1) as u64
}
