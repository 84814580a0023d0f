//! PROTOCOL.md §11.7 — reading the fan-out queue: decrypt in order, sort by group, acknowledge what is kept.
//!
//! Decrypted entries are records, so the next reading acknowledges them. Each group's deliveries are followed
//! by an intent of their own (`processing`): if one group needs the keys of a homeserver that cannot be
//! reached, the other groups go on.

use super::{
    error::ClientError,
    event::Event,
    exchange::{Body, Patience},
    pass::{Interrupt, Pass},
    state::{BroughtEntry, Confirmation, Inbox, InboxEntry, Lane, OwnQueue, State, Wait, Want},
};
use crate::{
    codec::{Flag, decode},
    error::Refusal,
    identifiers::GroupId,
    time::Timestamp,
    wire::{
        fan_out::{Delivery, FanOutContent, QueueMessage},
        queues::{DequeueReply, fan_out_queue_name},
        queuing_service::Dequeue,
    },
};

/// Reads the fan-out queue to its end.
pub(super) fn read(pass: &mut Pass<'_>) -> Result<(), Interrupt> {
    pass.enter(Lane::Queues)?;
    let place = pass.place();
    let domain = pass.state().config.domain.clone();
    // A restored client does nothing else before it has read its queue.
    let is_catching_up = !pass.state().caught_up;
    let patience = if is_catching_up { Patience::UnlimitedReading } else { Patience::Window };
    let reply = pass.ask(&domain, patience, |state, _| {
        let queue = state.fan_out_queue.0.as_ref().ok_or(ClientError::NotRegistered)?;
        Ok(Body::signed(Dequeue { range: queue.range() }, state.queuing_identity()?))
    })?;
    let reply = match reply {
        Ok(reply) => reply,
        Err(refusal) if is_catching_up => return Err(read_later(pass, place, refusal)?),
        Err(refusal) => return Err(ClientError::from(refusal).into()),
    };
    let (left, any) = (reply.remaining, !reply.entries.is_empty());
    let is_lost = pass.once("entries", |state| state.open_fan_out(&reply))?;
    // A new generation is asked for at once; if that cannot be read either, with the next reading.
    if left > 0 || (is_lost == Flag::Yes && pass.rounds() == 0) {
        pass.note_left(left, any)?;
        return Err(pass.again_from(place));
    }
    pass.once("end", |state| {
        state.caught_up = true;
        state.last_read = state.now;
        state.readings += 1;
        state.changed();
        Ok(())
    })
}

/// A restored client is told why it cannot read its queue, and tries again: nothing else goes on before.
fn read_later(pass: &mut Pass<'_>, place: usize, refusal: Refusal) -> Result<Interrupt, Interrupt> {
    let rounds = pass.rounds().min(7);
    let next: Timestamp = pass.once("reads later", |state| {
        state.emit(Event::BackgroundFailure(refusal.into()));
        Ok(state.now + state.config.backoff_limit * (1 << rounds))
    })?;
    // What is further ahead was noted by a clock that was wrong.
    let longest = pass.state().config.backoff_limit * (1 << rounds);
    let is_due = pass.now() >= next || next > pass.now() + longest;
    Ok(if is_due { pass.again_from(place) } else { Interrupt::Wait(Wait::Until(next)) })
}

impl State {
    /// Holds deliveries back from here on, or follows them and those held back before.
    pub fn hold_deliveries(&mut self, hold: bool) {
        self.holding_deliveries = hold;
        for group in self.inboxes.keys().cloned().collect::<Vec<_>>() {
            self.follow_later(&group);
        }
    }

    /// Begins to follow what is in a group's inbox.
    pub fn follow_later(&mut self, group: &GroupId) {
        if !self.holding_deliveries && self.next_in_inbox(group).is_some() {
            self.want(&Want::Follow { group: group.clone() });
        }
    }

    /// Decrypts entries of the fan-out queue and sorts them by group.
    fn open_fan_out(&mut self, reply: &DequeueReply) -> Result<Flag, ClientError> {
        let name = fan_out_queue_name(&self.queuing()?.client);
        let queue = self.fan_out_queue.change().0.as_mut().ok_or(ClientError::NotRegistered)?;
        let brought = queue.open(&name, reply);
        if brought.is_outdated {
            self.become_old_copy();
        }
        for entry in brought.entries {
            match entry {
                BroughtEntry::Message(plain) => match decode(&plain) {
                    Ok(message) => self.sort_message(message),
                    // Encrypted by the queuing service itself: it has sent something else than a message.
                    Err(_) => self.emit(Event::BackgroundFailure(ClientError::dishonest(
                        "a queue entry of no known kind",
                    ))),
                },
                BroughtEntry::Restored => {
                    self.emit(Event::QueueRestored { direct: false });
                    // Those that were handed out since the backup would be handed out again.
                    self.want(&Want::PublishKeyPackages);
                }
                BroughtEntry::Unreadable(sequence) => {
                    self.emit(Event::QueueUnreadable { direct: false, sequence });
                }
            }
        }
        Ok(self.fan_out_queue.0.as_ref().is_some_and(OwnQueue::is_lost).into())
    }

    fn sort_message(&mut self, message: QueueMessage) {
        match message {
            QueueMessage::Gap(gap) => {
                let (group, position, reason) = (gap.group_id.clone(), gap.position, gap.reason);
                if self.put_in_inbox(&group, InboxEntry::Gap(gap)) {
                    self.follow_later(&group);
                } else {
                    self.emit(Event::Gap { group, position, reason });
                }
            }
            // Only the group's own homeserver delivers for it.
            QueueMessage::Delivery(delivery) if delivery.source != delivery.group_id.domain => {}
            QueueMessage::Delivery(delivery) => self.sort_delivery(delivery),
        }
    }

    fn sort_delivery(&mut self, delivery: Delivery) {
        let group = delivery.group_id.clone();
        match &delivery.content {
            FanOutContent::Welcome(_) if !self.is_known(&group) => {
                self.inboxes.insert(group, Inbox::default());
                self.want(&Want::Join { delivery });
                return;
            }
            FanOutContent::Receipt(receipt) => {
                let (position, epoch, sent_at) = (delivery.position, receipt.epoch, delivery.sent_at);
                // The intent that waits for it goes on at once.
                self.confirm_request(receipt.request_id, Confirmation { position, epoch, sent_at });
            }
            FanOutContent::Message(_) | FanOutContent::Welcome(_) | FanOutContent::Dropped => {}
        }
        // Deliveries of groups that were left or declined are dropped.
        if self.put_in_inbox(&group, InboxEntry::Delivery(delivery)) {
            self.follow_later(&group);
        }
    }
}
