//! PROTOCOL.md §9, Outbox — delivering a stream: one frame at a time, from the oldest undelivered entry on.

use super::{
    answers::{self, Sent},
    rows::{OutboundEnd, OutboundEpoch, OutboundStart, OutboundStream, SealedSeed, Seed},
    waiting::Waiting,
};
use crate::{
    codec::encode,
    config::{Direction, Plant},
    credentials::validation::ValidatedQsKeys,
    crypto::{labels::Label, ratchet::RatchetSecret},
    error::Refusal,
    federation::{
        peer::{self, Permission},
        stream::StreamContext,
    },
    identifiers::{RequestId, StreamName},
    keys::QueuingKey,
    operation::{Ask, Interrupt, Timer, Transaction},
    peer_keys::{self, Caller},
    store::Key,
    time::HOUR,
    wire::{
        envelope::{RequestEnvelope, ResponseEnvelope},
        federation::{
            EnqueueFederated, EnqueueFederatedReply, FederatedBatch, Frame, FrameContent, FramePayload, Skip,
        },
        operations::Service,
    },
};

/// Delivers the next frame of a stream, and does what its answer asks for.
pub(crate) fn deliver(transaction: &mut Transaction<'_>, name: &StreamName) -> Result<(), Interrupt> {
    let rows = [Key::of::<OutboundStart>(name), Key::of::<OutboundEnd>(name), peer::row(&name.destination)];
    transaction.snapshot().load(&rows)?;
    let start: OutboundStart = transaction.get(name)?.unwrap_or_default();
    let end = transaction.snapshot().get::<OutboundEnd>(name)?;
    let Some(end) = end.filter(|end| start.first < end.next || start.skip_from.is_some()) else {
        // Now it must be the present one: appending has the timer run again.
        transaction.get::<OutboundEnd>(name)?;
        transaction.clear_timer(&Timer::Deliver(name.clone()));
        return Ok(());
    };
    let mut stream = OutboundStream { name: name.clone(), start, end };
    // Whether the peer is reachable or not.
    if !transaction.has_asked() && stream.age(transaction)? {
        return Ok(());
    }
    if transaction.config().federation.check(Direction::Outbound, &name.destination).is_err() {
        stream.schedule(transaction, transaction.now() + HOUR);
        return Ok(());
    }
    // Once a question is out, its answer counts, even if others have found out more about the peer meanwhile.
    if !transaction.has_asked() && stream.has_to_wait(transaction)? {
        return Ok(());
    }
    let (payload, sent) = match stream.next_payload(transaction) {
        Ok(Some(payload)) => payload,
        Ok(None) => return Ok(()),
        Err(Interrupt::Refuse(_)) => return answers::back_off(transaction, name, None),
        Err(interrupt) => return Err(interrupt),
    };
    let answer = stream.send(transaction, payload)?;
    stream.note(transaction, &sent, answer)
}

impl OutboundStream {
    /// Whether the stream is not to be delivered now; then the timer runs again when it may.
    fn has_to_wait(&self, transaction: &mut Transaction<'_>) -> Result<bool, Interrupt> {
        let longest = transaction.config().times.backoff_limit;
        if let Some(wait_until) = self.start.wait_until.pending(transaction.now(), longest) {
            self.schedule(transaction, wait_until);
            return Ok(true);
        }
        let due = match peer::permission(transaction, &self.name)? {
            Permission::Go => return Ok(false),
            Permission::Wait(until) => until,
            Permission::Probe => transaction.now(),
        };
        self.schedule(transaction, due);
        Ok(true)
    }

    /// What to send next. `None` if something must be put right first: then that is done.
    fn next_payload(
        &mut self,
        transaction: &mut Transaction<'_>,
    ) -> Result<Option<(FramePayload, Sent)>, Interrupt> {
        let Waiting { entries, dropped, sent, .. } = self.waiting(transaction)?;
        let Some(epoch) = sent.epoch else {
            if self.start.claimed.is_some() {
                // There is nothing left to show that what the peer has is what was here.
                self.start_over(transaction)?;
                self.stalled(transaction);
                return Ok(None);
            }
            let from = self.start.skip_from.unwrap_or(self.start.first);
            let skip = Skip { from, to: sent.through, dropped };
            return Ok(Some((FramePayload::Skip(skip), sent)));
        };
        let Some((row, sealed)) = self.sealed_epoch(transaction, epoch)? else {
            // Without the epoch's seed, no one can read its entries.
            self.start.lost_epoch = self.start.lost_epoch.max(Some(epoch));
            self.stalled(transaction);
            return Ok(None);
        };
        let batch = FederatedBatch {
            epoch,
            seed_key_id: sealed.key_id,
            sealed_seed: sealed.seed,
            epoch_first_sequence: row.first_sequence,
            first_sequence: self.start.next(),
            entries,
        };
        Ok(Some((FramePayload::Batch(batch), sent)))
    }

    /// The epoch, its seed sealed to the peer: now, if the peer's key was not known before. `None` if its row
    /// is lost.
    fn sealed_epoch(
        &self,
        transaction: &mut Transaction<'_>,
        epoch: u64,
    ) -> Result<Option<(OutboundEpoch, SealedSeed)>, Interrupt> {
        let destination = &self.name.destination;
        let name = self.name.epoch(epoch);
        let Some(mut row) = transaction.read::<OutboundEpoch>(&name)?.intact() else { return Ok(None) };
        let sealed = match &row.seed {
            Seed::Sealed(sealed) => sealed.clone(),
            Seed::Pending(seed) => {
                let keys = peer_keys::queuing_keys(transaction, destination, None, Caller::Ourselves)?;
                let source = transaction.domain();
                let stream = StreamContext { source, destination, stream_id: self.end.stream_id };
                let associated = stream.seed(epoch, row.first_sequence);
                let sealed = seal_seed(transaction, &keys, &associated, seed)?;
                row.seed = Seed::Sealed(sealed.clone());
                if !transaction.planted(Plant::KeepSeed) {
                    transaction.put(&name, &row);
                }
                sealed
            }
        };
        Ok(Some((row, sealed)))
    }

    /// Sends a frame. `None` if there is no answer, or none that can be read.
    fn send(
        &self,
        transaction: &mut Transaction<'_>,
        payload: FramePayload,
    ) -> Result<answers::Answer, Interrupt> {
        let destination = &self.name.destination;
        let QueuingKey { id: key_id, key } = transaction.keys().queuing_key()?;
        let content = FrameContent {
            source: transaction.domain().clone(),
            destination: destination.clone(),
            stream_id: self.end.stream_id,
            timestamp: transaction.now(),
            key_id,
            payload,
        };
        let signature = key.sign(&content);
        let body = EnqueueFederated { frame: Frame { content, signature } };
        let request = RequestEnvelope::to(destination.clone(), transaction.now(), RequestId([0; 16]), &body)
            .unsigned()
            .map_err(|_| Refusal::Internal)?;
        let ask = Ask { domain: destination.clone(), service: Service::Queuing, request: encode(&request) };
        let answer = transaction.ask_peer(ask)?;
        Ok(answer.ok().and_then(|bytes| ResponseEnvelope::read::<EnqueueFederatedReply>(&bytes).ok()))
    }
}

/// Seals an epoch's seed, bound to `associated`, to the peer's current stream key.
fn seal_seed(
    transaction: &mut Transaction<'_>,
    keys: &ValidatedQsKeys,
    associated: &[u8],
    seed: &RatchetSecret,
) -> Result<SealedSeed, Refusal> {
    let key = keys.current_stream_key(transaction.now()).ok_or(Refusal::UnknownFrameKey)?;
    let seed = key.key.seal(transaction.random(), Label::SEAL_STREAM_SEED, associated, seed.as_bytes())?;
    Ok(SealedSeed { key_id: key.id, seed })
}
