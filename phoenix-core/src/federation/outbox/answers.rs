//! PROTOCOL.md §9, Outbox — what the answer to a frame means for the stream that it is of.

use std::time::Duration;

use super::rows::{OutboundEnd, OutboundEntry, OutboundEpoch, OutboundStream, drop_content};
use crate::{
    config::Plant,
    error::Refusal,
    federation::{backoff, peer},
    identifiers::{StreamId, StreamName},
    limits::MAX_STREAM_EPOCH,
    operation::{Effect, Interrupt, Report, Timer, Transaction},
    rates::StoredTime,
    wire::federation::EnqueueFederatedReply,
};

/// What one frame carries.
pub(super) struct Sent {
    /// It reaches up to this entry, not included.
    pub through: u64,
    /// The epoch of its entries, if it has any.
    pub epoch: Option<u64>,
}

/// What the peer said. `None`: nothing, or nothing that could be read.
pub(super) type Answer = Option<Result<EnqueueFederatedReply, Refusal>>;

/// The number of answers in a row that may bring nothing forward before the stream waits between attempts:
/// each lost epoch or unreadable entry takes one.
const FREE_STALLS: u32 = 3;

/// The shortest wait for a peer that limits the rate.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);

impl OutboundStream {
    /// Does what the answer to a frame asks for.
    pub fn note(
        &mut self,
        transaction: &mut Transaction<'_>,
        sent: &Sent,
        answer: Answer,
    ) -> Result<(), Interrupt> {
        let refusal = match answer {
            None => return back_off(transaction, &self.name, None),
            Some(Ok(reply)) => {
                peer::reachable(transaction, &self.name.destination)?;
                return self.stands_at(transaction, reply.accepted_through, sent.through);
            }
            Some(Err(refusal)) => refusal,
        };
        self.refused(transaction, sent, &refusal)
    }

    /// Does what a refused frame asks for.
    fn refused(
        &mut self,
        transaction: &mut Transaction<'_>,
        sent: &Sent,
        refusal: &Refusal,
    ) -> Result<(), Interrupt> {
        match refusal {
            Refusal::StreamPosition { expected } => {
                peer::reachable(transaction, &self.name.destination)?;
                return self.stands_at(transaction, *expected, sent.through);
            }
            // It cannot read an entry: that one is passed over, those behind it go on.
            Refusal::UnreadableEntry { sequence } if (self.start.first..sent.through).contains(sequence) => {
                drop_content(transaction, &self.name, *sequence)?;
            }
            // It has lost the key that the epoch's seed is sealed to: no one can read these entries any more.
            // What is still to be appended begins a new epoch, with a seed that the peer can open.
            Refusal::StreamEpoch { epoch } if sent.epoch == Some(*epoch) => {
                self.start.lost_epoch = self.start.lost_epoch.max(sent.epoch);
            }
            // What it has of the stream is not what is here: this store is an older copy of what it was.
            Refusal::StreamDiverged => self.start_over(transaction)?,
            Refusal::RateLimited { retry_after_milliseconds } => {
                let longest = transaction.config().times.backoff_limit;
                let wait = Duration::from_millis(*retry_after_milliseconds).max(SHORTEST_WAIT).min(longest);
                self.wait_for(transaction, wait);
                return Ok(());
            }
            // The peer takes nothing of this stream. It may still take other streams.
            Refusal::TooManyStreams
            | Refusal::UnreadableEntry { .. }
            | Refusal::StreamEpoch { .. }
            | Refusal::StoredData { .. }
            | Refusal::Malformed
            | Refusal::TooLarge { .. }
            | Refusal::Internal => self.start.stalled = self.start.stalled.max(FREE_STALLS),
            // The peer takes no frames now, or none from here, or it gives an answer that no frame has.
            Refusal::UnsupportedVersion { .. }
            | Refusal::UnknownOperation
            | Refusal::WrongHomeserver
            | Refusal::Unauthenticated
            | Refusal::OutsideTimeWindow { .. }
            | Refusal::InvalidCredential { .. }
            | Refusal::InvalidPublicKey
            | Refusal::TokenNeeded
            | Refusal::InvalidToken
            | Refusal::WrongTokenScope
            | Refusal::TokenSpent
            | Refusal::UserExists
            | Refusal::RegistrationClosed
            | Refusal::NoSuchRegistration
            | Refusal::PasswordProtocol
            | Refusal::NotFound
            | Refusal::InvalidConnectionPackage
            | Refusal::QueueFull
            | Refusal::UnknownTokenKey
            | Refusal::BeyondQueue
            | Refusal::InvalidKeyPackage
            | Refusal::NoLastResort
            | Refusal::NoFriend
            | Refusal::NoSuchGroup
            | Refusal::NotReserved
            | Refusal::WrongEpoch { .. }
            | Refusal::PendingProposals
            | Refusal::NotAdmin
            | Refusal::InvalidMlsMessage
            | Refusal::InvalidGroupInfo
            | Refusal::InvalidGroupState
            | Refusal::CredentialCount
            | Refusal::KeyPackageNotCovered
            | Refusal::WelcomeMismatch
            | Refusal::NotAwaitingConnection
            | Refusal::CommitNotAllowed
            | Refusal::GroupFull
            | Refusal::InvalidQueueConfig
            | Refusal::WrongDestination
            | Refusal::NotFederated
            | Refusal::FrameOutsideTimeWindow { .. }
            | Refusal::UnknownFrameKey
            | Refusal::InvalidFrameSignature
            | Refusal::PeerUnavailable { .. }
            | Refusal::Unavailable { .. }
            | Refusal::NoValidKey { .. } => return back_off(transaction, &self.name, Some(refusal)),
        }
        peer::reachable(transaction, &self.name.destination)?;
        report(transaction, &self.name, refusal);
        self.stalled(transaction);
        Ok(())
    }

    /// The peer says that it has accepted every entry before `position`. It was sent those before `through`.
    fn stands_at(
        &mut self,
        transaction: &mut Transaction<'_>,
        position: u64,
        through: u64,
    ) -> Result<(), Interrupt> {
        let start = &mut self.start;
        start.claimed = None;
        if transaction.planted(Plant::KeepAccepted) && position == self.end.next {
            self.stalled(transaction);
            return Ok(());
        }
        // The end must be the present one: what was appended meanwhile, another node may have delivered.
        if position > self.end.next
            && transaction.get::<OutboundEnd>(&self.name)?.is_some_and(|end| position > end.next)
        {
            self.start_over(transaction)?;
            report(transaction, &self.name, &Refusal::StreamPosition { expected: position });
        } else if position > through {
            start.claimed = Some(position.min(self.end.next));
            start.skip_from = None;
        } else if position > start.first || start.skip_from.is_some_and(|from| position > from) {
            return self.advance(transaction, position);
        } else if position < start.first {
            // It expects what is gone here.
            start.skip_from = Some(position);
        }
        self.stalled(transaction);
        Ok(())
    }

    /// Continues in a new stream: the peer has more of this one than there ever was here, or something else.
    /// This store is an older copy of what it was, and the peer would take what is new for what it has
    /// already. The recipients of the messages that waited are told.
    pub fn start_over(&mut self, transaction: &mut Transaction<'_>) -> Result<(), Interrupt> {
        let Some(mut end) = transaction.get::<OutboundEnd>(&self.name)? else { return Ok(()) };
        end.stream_id = StreamId::random(transaction.random());
        transaction.put(&self.name, &end);
        let start = &mut self.start;
        start.lost_epoch = start.lost_epoch.max(end.chain.map(|chain| chain.epoch));
        (start.skip_from, start.claimed) = (None, None);
        Ok(())
    }

    /// Drops what is accepted, and goes on: if there is nothing more, the next run finds that out.
    fn advance(&mut self, transaction: &mut Transaction<'_>, accepted: u64) -> Result<(), Interrupt> {
        let Self { name, start, end } = self;
        let first = start.first.max(end.present);
        // At most what is in one frame, or what the peer had already: bounded by what a commit takes.
        let accepted = accepted.clamp(start.first, first.saturating_add(2 * MAX_STREAM_EPOCH));
        for sequence in first..accepted {
            transaction.delete::<OutboundEntry>(&name.entry(sequence));
        }
        // On a snapshot: the entry may be one that is being appended.
        let next = transaction.snapshot().read::<OutboundEntry>(&name.entry(accepted))?.intact();
        let epoch = match next {
            Some(entry) => entry.epoch,
            None if accepted >= end.next => end.chain.as_ref().map_or(0, |chain| chain.epoch),
            None => start.oldest_epoch,
        };
        let over = start.oldest_epoch..epoch.min(start.oldest_epoch.saturating_add(2 * MAX_STREAM_EPOCH));
        start.oldest_epoch = start.oldest_epoch.max(over.end);
        for epoch in over {
            transaction.delete::<OutboundEpoch>(&name.epoch(epoch));
        }
        start.first = accepted;
        start.skip_from = None;
        start.stalled = 0;
        self.put_start(transaction);
        self.schedule(transaction, transaction.now());
        Ok(())
    }

    /// Tries again after an answer that brought nothing forward: at once a few times, for the frame is
    /// another one then; after that with growing waits, for the peer does not make sense. Only this stream
    /// waits.
    pub fn stalled(&mut self, transaction: &mut Transaction<'_>) {
        self.start.stalled = self.start.stalled.saturating_add(1);
        let times = &transaction.config().times;
        let (first, longest) = (times.backoff_first, times.backoff_limit);
        let wait = match self.start.stalled.saturating_sub(FREE_STALLS) {
            0 => Duration::ZERO,
            failures => backoff::wait(transaction.random(), failures, first, longest),
        };
        self.wait_for(transaction, wait);
    }

    /// Has the stream wait, also if something is appended meanwhile.
    fn wait_for(&mut self, transaction: &mut Transaction<'_>, wait: Duration) {
        let wait_until = transaction.now() + wait;
        self.start.wait_until = StoredTime::new(wait_until);
        self.put_start(transaction);
        self.schedule(transaction, wait_until);
    }
}

/// Tries again later: nothing was delivered, and nothing would be in other streams to the peer.
pub(super) fn back_off(
    transaction: &mut Transaction<'_>,
    name: &StreamName,
    refusal: Option<&Refusal>,
) -> Result<(), Interrupt> {
    let retry_at = peer::failed(transaction, name)?;
    if let Some(refusal) = refusal {
        report(transaction, name, refusal);
    }
    transaction.schedule(Timer::Deliver(name.clone()), retry_at);
    Ok(())
}

fn report(transaction: &mut Transaction<'_>, name: &StreamName, refusal: &Refusal) {
    let report = Report::PeerRefuses { destination: name.destination.clone(), refusal: refusal.clone() };
    transaction.effect(Effect::Report(report));
}
