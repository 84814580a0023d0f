//! PROTOCOL.md §11.7 — reading the fan-out queue: decrypt in order, sort by group, acknowledge what is kept.
//!
//! Decrypted entries are part of the state, so the next reading acknowledges them. Each group's deliveries
//! are followed by a procedure of their own (`processing`): if one group needs the keys of a homeserver that
//! cannot be reached, the other groups go on.

use super::{
    error::ClientError,
    event::Event,
    joining, processing,
    shared::Shared,
    state::{Confirmation, InboxEntry, LockName, State},
};
use crate::{
    codec::decode,
    crypto::ratchet::{QueueEntry, QueueReadError, QueueReader},
    identifiers::GroupId,
    limits::MAX_DEQUEUE,
    wire::{
        fan_out::{Delivery, FanOutContent, QueueMessage},
        queues::{DequeueRange, fan_out_queue_name},
        queuing_service::Dequeue,
    },
};

/// What a queue entry leads to.
enum FollowUp {
    /// This group has deliveries to follow.
    Deliveries(GroupId),
    /// An invitation to a group that the client is not in.
    Welcome(Delivery),
}

/// Reads the fan-out queue to its end.
pub(super) async fn read(shared: &Shared) -> Result<(), ClientError> {
    let _lock = shared.lock(LockName::Queues).await;
    let mut left = u64::MAX;
    loop {
        let (domain, body, identity) = shared.with(|state| {
            let body = Dequeue { range: dequeue_range(&state.queuing()?.reader) };
            Ok::<_, ClientError>((state.config.domain.clone(), body, state.queuing_identity()?))
        })?;
        let reply = shared.call(&domain, &body, Some(&identity)).await?;
        for found in shared.with(|state| state.open_fan_out(&reply.entries))? {
            start_follow_up(shared, found);
        }
        // A restored queue drops its entries before it has new ones: `remaining` falls without entries.
        if reply.remaining == 0 || (reply.entries.is_empty() && reply.remaining >= left) {
            return Ok(());
        }
        left = reply.remaining;
    }
}

fn start_follow_up(shared: &Shared, found: FollowUp) {
    let context = shared.clone();
    match found {
        FollowUp::Deliveries(_) if shared.with(|state| state.holding_deliveries) => {}
        FollowUp::Deliveries(group) => {
            shared.spawn(async move { processing::follow(&context, &group).await })
        }
        FollowUp::Welcome(delivery) => shared.spawn(joining::join(context, delivery)),
    }
}

/// Holds deliveries back from here on, or follows them and those held back before.
pub(super) fn hold_deliveries(shared: &Shared, hold: bool) {
    let kept = shared.with(|state| {
        state.holding_deliveries = hold;
        state.woken = true;
        state.inboxes.keys().cloned().collect::<Vec<_>>()
    });
    kept.into_iter().for_each(|group| start_follow_up(shared, FollowUp::Deliveries(group)));
}

pub(super) fn dequeue_range(reader: &QueueReader) -> DequeueRange {
    DequeueRange {
        first: reader.next_sequence(),
        maximum: MAX_DEQUEUE as u32,
        generation: reader.generation(),
        last: reader.last(),
    }
}

impl State {
    /// Decrypts entries of the fan-out queue and sorts them by group.
    fn open_fan_out(&mut self, entries: &[QueueEntry]) -> Result<Vec<FollowUp>, ClientError> {
        let name = fan_out_queue_name(&self.queuing()?.client);
        let mut found = Vec::new();
        for entry in entries {
            let queuing = self.queuing.as_mut().ok_or(ClientError::NotRegistered)?;
            let generation = queuing.reader.generation();
            let opened = match queuing.reader.open(&name, entry) {
                Ok(Some(plain)) => decode(&plain),
                Ok(None) if entry.generation > generation => {
                    self.emit(Event::QueueRestored { direct: false });
                    continue;
                }
                Ok(None) | Err(QueueReadError::AlreadyRead) => continue,
                Err(_) => {
                    self.emit(Event::QueueUnreadable { direct: false, sequence: entry.sequence });
                    continue;
                }
            };
            match opened {
                Ok(message) => found.extend(self.sort_message(message)),
                Err(_) => self.emit(Event::QueueUnreadable { direct: false, sequence: entry.sequence }),
            }
        }
        Ok(found)
    }

    fn sort_message(&mut self, message: QueueMessage) -> Option<FollowUp> {
        match message {
            QueueMessage::Gap(gap) => {
                let group = gap.group_id.clone();
                match self.inboxes.get_mut(&group) {
                    Some(inbox) => inbox.push_back(InboxEntry::Gap(gap)),
                    None => self.emit(Event::Gap {
                        group: group.clone(),
                        position: gap.position,
                        reason: gap.reason,
                    }),
                }
                Some(FollowUp::Deliveries(group))
            }
            // Only the group's own homeserver delivers for it.
            QueueMessage::Delivery(delivery) if delivery.source != delivery.group_id.domain => None,
            QueueMessage::Delivery(delivery) => self.sort_delivery(delivery),
        }
    }

    fn sort_delivery(&mut self, delivery: Delivery) -> Option<FollowUp> {
        let group = delivery.group_id.clone();
        let known = self.inboxes.contains_key(&group);
        match &delivery.content {
            FanOutContent::Welcome(_) if !known => {
                self.inboxes.entry(group).or_default();
                return Some(FollowUp::Welcome(delivery));
            }
            FanOutContent::Receipt(receipt) => {
                // The procedure that waits for it goes on at once.
                if let Some(slot) = self.receipts.get_mut(&receipt.request_id) {
                    let (position, epoch, sent_at) = (delivery.position, receipt.epoch, delivery.sent_at);
                    *slot = Some(Confirmation { position, epoch, sent_at });
                    self.woken = true;
                }
            }
            FanOutContent::Message(_) | FanOutContent::Welcome(_) | FanOutContent::Dropped => {}
        }
        // Deliveries of groups that were left or declined are dropped.
        self.inboxes.get_mut(&group)?.push_back(InboxEntry::Delivery(delivery));
        Some(FollowUp::Deliveries(group))
    }
}
