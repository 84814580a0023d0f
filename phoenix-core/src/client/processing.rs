//! PROTOCOL.md §11.8 — following a group: its deliveries in the order of their positions.
//!
//! A commit is verified beyond what MLS verifies (`verification`). One that cannot be followed leaves the
//! group in its epoch, and the group needs a resync (PROTOCOL.md §11, Gaps and resync).

use openmls::prelude::{
    ContentType, ProcessedMessage, ProcessedMessageContent, ProtocolMessage, Sender, StagedCommit,
};
use openmls_traits::OpenMlsProvider;

use super::{
    config::ClientPlant,
    credentials::Unverified,
    error::ClientError,
    event::Event,
    messages::{FriendshipPackage, leaf_credential},
    pass::{Interrupt, Pass},
    state::{Connection, Contact, InboxEntry, RECENT_MESSAGES, State, Wait, Want},
    verification::VerifiedCommit,
};
use crate::{
    codec::Flag,
    credentials::ClientCredential,
    crypto::{kdf, labels::Label},
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
pub(super) fn follow(pass: &mut Pass<'_>, id: &GroupId) -> Result<(), Interrupt> {
    loop {
        match pass.follow_next(id) {
            Step::Done => {}
            Step::Nothing => return Ok(()),
            Step::NeedsKeys(domain) => match pass.take_failure() {
                None => return Err(pass.after(&Want::FetchAsCredentials { domain })),
                Some(ClientError::Unanswered { .. }) => {
                    return Err(pass.after(&Want::FetchAsCredentials { domain }));
                }
                // The homeserver will be back. Until then this group waits, and no other.
                Some(ClientError::Refused(refusal)) if matches!(refusal.advice(), Advice::Retry(_)) => {
                    let pause = pass.state().config.backoff_limit;
                    return Err(Interrupt::Wait(Wait::Until(pass.now() + pause)));
                }
                Some(error) => pass.skip_next(id, error),
            },
        }
    }
}

impl Pass<'_> {
    /// Follows the next entry of the inbox. What is changed needs no note: the inbox tells how far it is.
    fn follow_next(&mut self, id: &GroupId) -> Step {
        self.state_mut().follow_next(id)
    }

    fn skip_next(&mut self, id: &GroupId, error: ClientError) {
        self.state_mut().skip_next(id, error);
    }
}

impl State {
    fn follow_next(&mut self, id: &GroupId) -> Step {
        let Some(progress) = self.progress.get(id) else { return Step::Nothing };
        let Some(next) = self.next_in_inbox(id).cloned() else { return Step::Nothing };
        let last = progress.last_position;
        let (position, expected) = (next.position(), last.map_or(0, |last| last + 1));
        let again = position < expected;
        if position > expected && last.is_some() {
            // If this one has to wait for keys, the missing ones are not reported again.
            if let Some(progress) = self.progress.get_mut(id) {
                progress.healthy = Flag::No;
                progress.last_position = Some(position - 1);
            }
            self.emit(Event::Missing { group: id.clone(), from: expected, to: position });
        }
        let followed = match &next {
            InboxEntry::Gap(gap) => {
                self.follow_gap(id, position, gap.reason, again);
                Ok(())
            }
            InboxEntry::Delivery(delivery) => self.follow_delivery(id, delivery, again),
        };
        match followed {
            Ok(()) => {}
            Err(Unverified::NeedsKeys(domain)) => return Step::NeedsKeys(domain),
            Err(Unverified::Refused(error)) => self.mark_unprocessable(id, position, error),
        }
        self.followed(id, position);
        Step::Done
    }

    fn followed(&mut self, id: &GroupId, position: u64) {
        self.drop_next_in_inbox(id);
        if let Some(progress) = self.progress.get_mut(id) {
            progress.last_position = progress.last_position.max(Some(position));
        }
        self.changed();
    }

    /// Drops the next delivery, which cannot be verified now or later.
    fn skip_next(&mut self, id: &GroupId, error: ClientError) {
        let Some(position) = self.next_in_inbox(id).map(InboxEntry::position) else { return };
        self.mark_unprocessable(id, position, error);
        self.followed(id, position);
    }

    /// Marks the group as one that cannot be followed further, and reports the reason once.
    fn mark_unprocessable(&mut self, id: &GroupId, position: u64, reason: ClientError) {
        if self.is_healthy(id) {
            self.mark_unhealthy(id);
            self.emit(Event::CommitUnprocessable { group: id.clone(), position, reason });
        }
    }

    /// Marks the group as one of which something was dropped. A repeat of a marker changes nothing.
    fn follow_gap(&mut self, id: &GroupId, position: u64, reason: GapReason, again: bool) {
        if !again || self.is_healthy(id) {
            self.mark_unhealthy(id);
            self.emit(Event::Gap { group: id.clone(), position, reason });
        }
    }

    /// Marks the group as one whose homeserver is in an earlier epoch than the client: its store was restored
    /// from a backup.
    pub fn mark_gone_back(&mut self, id: &GroupId) {
        let position = self.progress.get(id).and_then(|progress| progress.last_position);
        let reason = ClientError::dishonest("an epoch that is over: the group's homeserver has gone back");
        self.mark_unprocessable(id, position.unwrap_or_default(), reason);
    }

    /// Follows a delivery; `again`: at a position that was followed before. Then it is a repeat, unless the
    /// group's homeserver was restored from a backup and gives positions once more: what can still be read is
    /// new.
    fn follow_delivery(&mut self, id: &GroupId, delivery: &Delivery, again: bool) -> Result<(), Unverified> {
        let position = delivery.position;
        match &delivery.content {
            FanOutContent::Message(message) => self.follow_message(id, position, message.as_slice(), again),
            FanOutContent::Receipt(receipt) => self.follow_receipt(id, position, receipt, again),
            FanOutContent::Dropped => {
                self.follow_gap(id, position, GapReason::Dropped, again);
                Ok(())
            }
            // The client is a member already.
            FanOutContent::Welcome(_) => Ok(()),
        }
    }

    /// Follows a receipt, which confirms an own commit or message whether or not the answer came.
    fn follow_receipt(
        &mut self,
        id: &GroupId,
        position: u64,
        receipt: &Receipt,
        again: bool,
    ) -> Result<(), Unverified> {
        let pending = self.pending_commits.get(id);
        if pending.is_some_and(|pending| pending.id == receipt.request_id) {
            self.merge_pending(id)?;
        }
        let is_known = self.receive(id, receipt.request_id, position);
        if again {
            return Ok(());
        }
        let epoch = self.epoch(id)?;
        if epoch < receipt.epoch {
            return Err(ClientError::dishonest("a receipt for a commit of another client").into());
        }
        if epoch == receipt.epoch && !is_known {
            self.become_old_copy_in(id);
        }
        Ok(())
    }

    fn follow_message(
        &mut self,
        id: &GroupId,
        position: u64,
        message: &[u8],
        again: bool,
    ) -> Result<(), Unverified> {
        let parsed = parse_message(message)
            .map_err(ClientError::mls)
            .and_then(|message| message.try_into_protocol_message().map_err(ClientError::mls));
        let parsed: ProtocolMessage = match parsed {
            Ok(parsed) => parsed,
            Err(_) if again => return Ok(()),
            Err(reason) => return self.unreadable(id, position, reason),
        };
        let content_type = parsed.content_type();
        let (of, present) = (parsed.epoch().as_u64(), self.epoch(id)?);
        // What was followed before is of an epoch that the client has reached; a commit, of one that it has left.
        let is_over = of < present || (of == present && content_type != ContentType::Commit);
        let Self { mls_groups, provider, .. } = self;
        let mls = mls_groups.get_mut(id).ok_or(ClientError::UnknownGroup)?;
        let processed = mls.process_message(provider, parsed);
        let is_repeated = content_type == ContentType::Application && self.note_message(id, message);
        match processed {
            Ok(processed) => self.follow_processed(id, position, processed),
            Err(_) if again && is_over => Ok(()),
            Err(error) if content_type == ContentType::Commit => Err(ClientError::mls(error).into()),
            // Its sender did not know that the first copy was ordered.
            Err(_) if is_repeated => Ok(()),
            Err(_) if of > present => {
                Err(ClientError::dishonest("a message of an epoch that no commit began").into())
            }
            Err(error) => self.unreadable(id, position, ClientError::mls(error)),
        }
    }

    /// Notes an application message among the latest of its group. Returns whether it was there before.
    fn note_message(&mut self, id: &GroupId, message: &[u8]) -> bool {
        let hash = kdf::hash(Label::REPEATED_MESSAGE, &[message]);
        let Some(progress) = self.progress.get_mut(id) else { return false };
        let mut short = [0; 8];
        short.copy_from_slice(&hash[..8]);
        if progress.recent.contains(&short) {
            return true;
        }
        if progress.recent.len() == RECENT_MESSAGES {
            progress.recent.remove(0);
        }
        // There is room.
        let _ = progress.recent.push(short);
        false
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
                let leaf = credential.ok();
                let name = leaf.and_then(|leaf| self.user_of(id, &leaf.leaf.payload.identity).cloned());
                let Some(from) = name else {
                    let reason = ClientError::dishonest("a message of an unknown sender");
                    return self.unreadable(id, position, reason);
                };
                self.emit(Event::Message { group: id.clone(), position, from, text: message.into_bytes() });
                Ok(())
            }
            ProcessedMessageContent::ProposalMessage(proposal) if matches!(sender, Sender::External(_)) => {
                let Self { mls_groups, provider, .. } = self;
                let mls = mls_groups.get_mut(id).ok_or(ClientError::UnknownGroup)?;
                let stored = mls.store_pending_proposal(provider.storage(), *proposal);
                Ok(stored.map_err(ClientError::mls)?)
            }
            ProcessedMessageContent::StagedCommitMessage(staged) => {
                let verified = self.verify_commit(id, &sender, &data, &staged)?;
                Ok(self.merge_others(id, *staged, verified)?)
            }
            _ => self.unreadable(
                id,
                position,
                ClientError::dishonest("a proposal of another sender than the delivery service"),
            ),
        }
    }

    /// Reports a message that cannot be read, which does the group no harm.
    fn unreadable(&mut self, id: &GroupId, position: u64, reason: ClientError) -> Result<(), Unverified> {
        // After a gap, messages may be of epochs that the client never reached.
        if self.is_healthy(id) && !self.config.planted(ClientPlant::HideUnreadable) {
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
        let Self { mls_groups, provider, .. } = self;
        let mls = mls_groups.get_mut(id).ok_or(ClientError::UnknownGroup)?;
        mls.merge_staged_commit(provider, staged).map_err(ClientError::mls)?;
        if removed {
            self.forget_group(id)?;
            self.emit(Event::Removed(id.clone()));
            return Ok(());
        }
        let joiner = verified.members.first().cloned();
        let joiners =
            if self.config.planted(ClientPlant::ForgetJoiners) { Vec::new() } else { verified.members };
        self.refresh_members(id, joiners)?;
        if let (Some(friendship), Some(joiner)) = (verified.friendship, joiner) {
            if let Some(group) = self.groups.get_mut(id) {
                group.connection = Some(Connection::Made);
            }
            self.connected(joiner.credential.client_credential, friendship);
        }
        self.enter_epoch(id)
    }

    /// Takes in a new contact.
    pub fn connected(&mut self, credential: ClientCredential, friendship: FriendshipPackage) {
        let user = credential.client_id().user_id.clone();
        self.contacts.insert(user.clone(), Contact { credential, friendship });
        self.emit(Event::Connected(user));
    }
}
