//! PROTOCOL.md §11.8 — following a group: its deliveries in the order of their positions.
//!
//! A commit is verified beyond what MLS verifies (`verification`). One that cannot be followed leaves the
//! group in its epoch, and the group needs a resync (PROTOCOL.md §11, Gaps and resync).

use openmls::prelude::{
    ContentType, ProcessedMessage, ProcessedMessageContent, ProtocolMessage, Sender, StagedCommit,
};
use openmls_traits::OpenMlsProvider;

use super::{
    credentials::Unverified,
    error::ClientError,
    event::Event,
    messages::{FriendshipPackage, leaf_credential},
    shared::Shared,
    state::{Connection, Contact, InboxEntry, LockName, PendingCommit, State},
    verification::VerifiedCommit,
};
use crate::{
    credentials::ClientCredential,
    error::Advice,
    identifiers::{Domain, GroupId},
    mls::parse_message,
    wire::fan_out::{Delivery, FanOutContent, GapReason, Receipt},
};

/// The outcome of following one entry of the inbox.
enum Step {
    /// It is followed or dropped.
    Done,
    /// The inbox is empty.
    Nothing,
    /// The credentials of this homeserver's authentication service have to be fetched first.
    NeedsKeys(Domain),
}

/// Follows the deliveries that have arrived of a group.
pub(super) async fn follow(shared: &Shared, id: &GroupId) -> Result<(), ClientError> {
    let _lock = shared.lock(LockName::Inbox(id.clone())).await;
    loop {
        match shared.with(|state| state.follow_next(id)) {
            Step::Done => {}
            Step::Nothing => return Ok(()),
            Step::NeedsKeys(domain) => match shared.fetch_as_credentials(&domain).await {
                Ok(()) | Err(ClientError::Unanswered { .. }) => {}
                // The homeserver will be back. Until then this group waits, and no other.
                Err(ClientError::Refused(refusal)) if matches!(refusal.advice(), Advice::Retry(_)) => {
                    let pause = shared.with(|state| state.config.backoff_limit);
                    shared.sleep(pause).await;
                }
                Err(error) => shared.with(|state| state.skip_next(id, error)),
            },
        }
    }
}

impl State {
    fn follow_next(&mut self, id: &GroupId) -> Step {
        let Some(group) = self.groups.get_mut(id) else { return Step::Nothing };
        let Some(next) = self.inboxes.get(id).and_then(|inbox| inbox.front()).cloned() else {
            return Step::Nothing;
        };
        let (position, expected) = (next.position(), group.last_position.map_or(0, |last| last + 1));
        if position < expected {
            self.drop_next(id);
            return Step::Done;
        }
        if position > expected && group.last_position.is_some() {
            group.healthy = false;
            // If this one has to wait for keys, the missing ones are not reported again.
            group.last_position = Some(position - 1);
            self.emit(Event::Missing { group: id.clone(), from: expected, to: position });
        }
        let followed = match &next {
            InboxEntry::Gap(gap) => {
                self.mark_gap(id, position, gap.reason);
                Ok(())
            }
            InboxEntry::Delivery(delivery) => self.follow_delivery(id, delivery),
        };
        match followed {
            Ok(()) => {}
            Err(Unverified::NeedsKeys(domain)) => return Step::NeedsKeys(domain),
            Err(Unverified::Refused(error)) => self.mark_unprocessable(id, position, error),
        }
        self.drop_next(id);
        if let Some(group) = self.groups.get_mut(id) {
            group.last_position = Some(position);
        }
        Step::Done
    }

    fn drop_next(&mut self, id: &GroupId) {
        if let Some(inbox) = self.inboxes.get_mut(id) {
            inbox.pop_front();
        }
    }

    /// Drops the next delivery, which cannot be verified now or later.
    fn skip_next(&mut self, id: &GroupId, error: ClientError) {
        let next = self.inboxes.get(id).and_then(|inbox| inbox.front());
        let Some(position) = next.map(InboxEntry::position) else { return };
        self.mark_unprocessable(id, position, error);
        self.drop_next(id);
        if let Some(group) = self.groups.get_mut(id) {
            group.last_position = Some(position);
        }
    }

    /// Marks the group as one that cannot be followed further, and reports the reason once.
    fn mark_unprocessable(&mut self, id: &GroupId, position: u64, reason: ClientError) {
        let Some(group) = self.groups.get_mut(id) else { return };
        if std::mem::replace(&mut group.healthy, false) {
            self.emit(Event::CommitUnprocessable { group: id.clone(), position, reason });
        }
    }

    fn mark_gap(&mut self, id: &GroupId, position: u64, reason: GapReason) {
        if let Some(group) = self.groups.get_mut(id) {
            group.healthy = false;
        }
        self.emit(Event::Gap { group: id.clone(), position, reason });
    }

    fn follow_delivery(&mut self, id: &GroupId, delivery: &Delivery) -> Result<(), Unverified> {
        match &delivery.content {
            FanOutContent::Message(message) => self.follow_message(id, delivery.position, message.as_slice()),
            FanOutContent::Receipt(receipt) => self.follow_receipt(id, delivery.position, receipt),
            FanOutContent::Dropped => {
                self.mark_gap(id, delivery.position, GapReason::Dropped);
                Ok(())
            }
            // The client is a member already.
            FanOutContent::Welcome(_) => Ok(()),
        }
    }

    /// Follows a receipt, which confirms an own commit or message whether or not the answer came.
    fn follow_receipt(&mut self, id: &GroupId, position: u64, receipt: &Receipt) -> Result<(), Unverified> {
        let group = self.group(id)?;
        let is_own = |pending: &PendingCommit| pending.requests.contains(&receipt.request_id);
        if group.pending.as_ref().is_some_and(is_own) {
            self.merge_pending(id)?;
        } else if let Some(unconfirmed) = group.unconfirmed.get(&receipt.request_id) {
            let task = unconfirmed.task;
            self.acknowledge(id, task, position);
        }
        if self.group(id)?.epoch() < receipt.epoch {
            return Err(ClientError::Dishonest("a receipt for a commit of another client").into());
        }
        Ok(())
    }

    fn follow_message(&mut self, id: &GroupId, position: u64, message: &[u8]) -> Result<(), Unverified> {
        let parsed = parse_message(message)
            .map_err(ClientError::mls)
            .and_then(|message| message.try_into_protocol_message().map_err(ClientError::mls));
        let parsed: ProtocolMessage = match parsed {
            Ok(parsed) => parsed,
            Err(reason) => return self.unreadable(id, position, reason),
        };
        let is_commit = parsed.content_type() == ContentType::Commit;
        let Self { groups, provider, .. } = self;
        let group = groups.get_mut(id).ok_or(ClientError::UnknownGroup)?;
        let processed = match group.mls.process_message(provider, parsed) {
            Ok(processed) => processed,
            Err(error) if is_commit => return Err(ClientError::mls(error).into()),
            Err(error) => return self.unreadable(id, position, ClientError::mls(error)),
        };
        self.follow_processed(id, position, processed)
    }

    fn follow_processed(
        &mut self,
        id: &GroupId,
        position: u64,
        processed: ProcessedMessage,
    ) -> Result<(), Unverified> {
        let sender = processed.sender().clone();
        let credential = leaf_credential(processed.credential().serialized_content());
        let data = processed.aad().to_vec();
        match processed.into_content() {
            ProcessedMessageContent::ApplicationMessage(message) => {
                let group = self.group(id)?;
                let name = credential
                    .ok()
                    .and_then(|leaf| group.users_by_identity.get(&leaf.leaf.payload.identity).cloned());
                let Some(from) = name else {
                    return self.unreadable(
                        id,
                        position,
                        ClientError::Dishonest("a message of an unknown sender"),
                    );
                };
                self.emit(Event::Message { group: id.clone(), position, from, text: message.into_bytes() });
                Ok(())
            }
            ProcessedMessageContent::ProposalMessage(proposal) if matches!(sender, Sender::External(_)) => {
                let Self { groups, provider, .. } = self;
                let group = groups.get_mut(id).ok_or(ClientError::UnknownGroup)?;
                let stored = group.mls.store_pending_proposal(provider.storage(), *proposal);
                Ok(stored.map_err(ClientError::mls)?)
            }
            ProcessedMessageContent::StagedCommitMessage(staged) => {
                let group = self.groups.get(id).ok_or(ClientError::UnknownGroup)?;
                let verified = self.verify_commit(group, &sender, &data, &staged)?;
                Ok(self.merge_others(id, *staged, verified)?)
            }
            _ => self.unreadable(
                id,
                position,
                ClientError::Dishonest("a proposal of another sender than the delivery service"),
            ),
        }
    }

    /// Reports a message that cannot be read, which does the group no harm.
    fn unreadable(&mut self, id: &GroupId, position: u64, reason: ClientError) -> Result<(), Unverified> {
        // After a gap, messages may be of epochs that the client never reached.
        if self.group(id)?.healthy {
            self.emit(Event::MessageUnreadable { group: id.clone(), position, reason });
        }
        Ok(())
    }

    /// Merges another member's commit. An own commit for the same epoch has lost.
    fn merge_others(
        &mut self,
        id: &GroupId,
        staged: StagedCommit,
        verified: VerifiedCommit,
    ) -> Result<(), ClientError> {
        self.drop_pending(id)?;
        let removed = staged.self_removed();
        let Self { groups, provider, .. } = self;
        let group = groups.get_mut(id).ok_or(ClientError::UnknownGroup)?;
        group.mls.merge_staged_commit(provider, staged).map_err(ClientError::mls)?;
        if removed {
            // Anything that stayed could make another invitation fail.
            group.mls.delete(provider.storage()).map_err(ClientError::mls)?;
            self.groups.remove(id);
            self.inboxes.remove(id);
            self.emit(Event::Removed(id.clone()));
            return Ok(());
        }
        let joiner = verified.members.first().cloned();
        group.refresh_members(verified.members);
        let changed = group.epoch_changed();
        if let (Some(friendship), Some(joiner)) = (verified.friendship, joiner) {
            group.connection = Some(Connection::Made);
            self.connected(joiner.credential.client_credential, friendship);
        }
        self.emit(changed);
        self.woken = true;
        Ok(())
    }

    /// Takes in a new contact.
    pub fn connected(&mut self, credential: ClientCredential, friendship: FriendshipPackage) {
        let user = credential.client_id().user_id.clone();
        self.contacts.insert(user.clone(), Contact { credential, friendship });
        self.emit(Event::Connected(user));
    }
}
