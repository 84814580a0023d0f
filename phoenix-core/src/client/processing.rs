//! PROTOCOL.md §8, §11 — following a group: its deliveries one after the other, by position.
//!
//! Every commit is checked beyond what MLS checks: whoever it brings in must be shown, by a chain of
//! credentials, to be who the commit's additional data says. A commit that cannot be followed leaves the group
//! where it is, in need of a resync.

use openmls::prelude::{
    ContentType, MlsGroup, ProcessedMessage, ProcessedMessageContent, ProtocolMessage, Sender, StagedCommit,
};
use openmls_traits::OpenMlsProvider;

use super::{
    ClientError, Event,
    credentials::Judgement,
    groups::{Connection, Group, Member},
    inbox::Waiting,
    locks::LockName,
    messages::{FriendshipPackage, friendship_package_binding, leaf_credential, open_credential},
    state::{Contact, Shared, State},
};
use crate::{
    codec::decode,
    credentials::LeafCredential,
    error::Advice,
    identifiers::{Domain, GroupId},
    mls::parse_message,
    wire::{
        delivery_service::CommitData,
        fan_out::{Delivery, FanOutContent, GapReason, Receipt},
    },
};

/// What following one delivery came to.
enum Step {
    /// Done with it.
    Done,
    /// Nothing waits.
    Nothing,
    /// The credentials of this homeserver have to be fetched first.
    Needs(Domain),
}

/// Who a commit brings in.
struct Newcomers {
    members: Vec<Member>,
    /// From a user who accepts a connection.
    friendship: Option<FriendshipPackage>,
}

/// Follows what has arrived of a group.
pub(super) async fn follow(shared: &Shared, id: &GroupId) -> Result<(), ClientError> {
    let _lock = shared.lock(LockName::Inbox(id.clone())).await;
    loop {
        match shared.with(|state| state.follow_next(id)) {
            Step::Done => {}
            Step::Nothing => return Ok(()),
            Step::Needs(domain) => match shared.fetch_authorities(&domain).await {
                Ok(()) | Err(ClientError::Unanswered { .. }) => {}
                // It will be back. Until then this group waits, and no other.
                Err(ClientError::Refused(refusal)) if matches!(refusal.advice(), Advice::Retry(_)) => {
                    let pause = shared.with(|state| state.config.backoff_limit);
                    shared.sleep(pause).await;
                }
                Err(error) => shared.with(|state| state.give_up_on_next(id, error)),
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
            // From here on it is only this one that is missing what was before.
            group.last_position = Some(position - 1);
            self.emit(Event::Missing { group: id.clone(), from: expected, to: position });
        }
        let followed = match &next {
            Waiting::Gap(gap) => {
                self.mark_gap(id, position, gap.reason);
                Ok(())
            }
            Waiting::Delivery(delivery) => self.follow_delivery(id, delivery),
        };
        match followed {
            Ok(()) => {}
            Err(Judgement::Needs(domain)) => return Step::Needs(domain),
            Err(Judgement::Refused(error)) => self.lose(id, position, error),
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

    /// The next delivery cannot be judged, now or ever.
    fn give_up_on_next(&mut self, id: &GroupId, error: ClientError) {
        let next = self.inboxes.get(id).and_then(|inbox| inbox.front());
        let Some(position) = next.map(Waiting::position) else { return };
        self.lose(id, position, error);
        self.drop_next(id);
        if let Some(group) = self.groups.get_mut(id) {
            group.last_position = Some(position);
        }
    }

    /// The group cannot be followed any further, for a reason that is told once.
    fn lose(&mut self, id: &GroupId, position: u64, reason: ClientError) {
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

    fn follow_delivery(&mut self, id: &GroupId, delivery: &Delivery) -> Result<(), Judgement> {
        match &delivery.content {
            FanOutContent::Message(message) => self.follow_message(id, delivery.position, message.as_slice()),
            FanOutContent::Receipt(receipt) => self.follow_receipt(id, delivery.position, receipt),
            FanOutContent::Dropped => {
                self.mark_gap(id, delivery.position, GapReason::Dropped);
                Ok(())
            }
            // A member needs no Welcome.
            FanOutContent::Welcome(_) => Ok(()),
        }
    }

    /// A receipt confirms a commit or message of ours, whether or not the answer came.
    fn follow_receipt(&mut self, id: &GroupId, position: u64, receipt: &Receipt) -> Result<(), Judgement> {
        let group = self.group(id)?;
        let ours = |pending: &super::groups::PendingCommit| pending.requests.contains(&receipt.request_id);
        if group.pending.as_ref().is_some_and(ours) {
            self.merge_pending(id)?;
        } else if let Some(unconfirmed) = group.unconfirmed.get(&receipt.request_id) {
            let task = unconfirmed.task;
            self.acknowledge(id, task, position);
        }
        if self.group(id)?.epoch() < receipt.epoch {
            return Err(ClientError::Dishonest("a receipt for a commit that was not ours").into());
        }
        Ok(())
    }

    fn follow_message(&mut self, id: &GroupId, position: u64, message: &[u8]) -> Result<(), Judgement> {
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
    ) -> Result<(), Judgement> {
        let sender = processed.sender().clone();
        let credential = leaf_credential(processed.credential().serialized_content());
        let data = processed.aad().to_vec();
        match processed.into_content() {
            ProcessedMessageContent::ApplicationMessage(message) => {
                let group = self.group(id)?;
                let name =
                    credential.ok().and_then(|leaf| group.names.get(&leaf.leaf.payload.identity).cloned());
                let Some(from) = name else {
                    return self.unreadable(id, position, ClientError::Dishonest("a message of nobody"));
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
                let newcomers = self.judge_commit(group, &sender, &data, &staged)?;
                Ok(self.merge_others(id, *staged, newcomers)?)
            }
            _ => self.unreadable(id, position, ClientError::Dishonest("neither message nor commit")),
        }
    }

    /// A message that is of no use, but does the group no harm.
    fn unreadable(&mut self, id: &GroupId, position: u64, reason: ClientError) -> Result<(), Judgement> {
        // After a gap, what follows may be of epochs that were never reached.
        if self.group(id)?.healthy {
            self.emit(Event::MessageUnreadable { group: id.clone(), position, reason });
        }
        Ok(())
    }

    /// Checks who a commit brings in, and that whoever is renewed stays who it is.
    fn judge_commit(
        &self,
        group: &Group,
        sender: &Sender,
        data: &[u8],
        staged: &StagedCommit,
    ) -> Result<Newcomers, Judgement> {
        let data: CommitData = decode(data).map_err(ClientError::from)?;
        let leaves = new_leaves(&group.mls, sender, staged)?;
        if leaves.len() != data.encrypted_credentials.len() {
            return Err(ClientError::Dishonest("not one credential for each new leaf").into());
        }
        let mut members = Vec::new();
        for (leaf, sealed) in leaves.iter().zip(&data.encrypted_credentials) {
            let identity = leaf.leaf.payload.identity;
            let credential = open_credential(&group.credential_key, &group.id, &identity, sealed)?;
            self.judge_leaf(leaf, &credential)?;
            let member = Member { identity, credential };
            let before = group.members.values().find(|member| member.identity == identity);
            let allowed = match sender {
                Sender::Member(_) if staged.add_proposals().next().is_none() => {
                    before.is_some_and(|before| before.user() == member.user())
                }
                _ => before.is_none(),
            };
            if !allowed {
                return Err(ClientError::Dishonest("a leaf in another's name").into());
            }
            members.push(member);
        }
        let friendship = match sender {
            Sender::NewMemberCommit => Some(judge_connection(group, &members, &data)?),
            _ => None,
        };
        Ok(Newcomers { members, friendship })
    }

    /// Merges another's commit. One of ours for the same epoch has lost.
    fn merge_others(
        &mut self,
        id: &GroupId,
        staged: StagedCommit,
        newcomers: Newcomers,
    ) -> Result<(), ClientError> {
        self.drop_pending(id)?;
        let removed = staged.self_removed();
        let Self { groups, provider, .. } = self;
        let group = groups.get_mut(id).ok_or(ClientError::UnknownGroup)?;
        group.mls.merge_staged_commit(provider, staged).map_err(ClientError::mls)?;
        if removed {
            // Nothing stays that would stand in the way of another invitation.
            group.mls.delete(provider.storage()).map_err(ClientError::mls)?;
            self.groups.remove(id);
            self.inboxes.remove(id);
            self.emit(Event::Removed(id.clone()));
            return Ok(());
        }
        let joiner = newcomers.members.first().cloned();
        group.refresh_members(newcomers.members);
        let changed = group.epoch_changed();
        if let (Some(friendship), Some(joiner)) = (newcomers.friendship, joiner) {
            group.connection = Some(Connection::Made);
            self.connected(joiner.credential.client_credential, friendship);
        }
        self.emit(changed);
        self.stirred = true;
        Ok(())
    }

    /// Notes a new contact.
    pub fn connected(
        &mut self,
        credential: crate::credentials::ClientCredential,
        friendship: FriendshipPackage,
    ) {
        let user = credential.client_id().user_id.clone();
        self.contacts.insert(user.clone(), Contact { credential, friendship });
        self.emit(Event::Connected(user));
    }
}

/// The leaves that a commit brings or changes, in the order in which their credentials come.
fn new_leaves(
    group: &MlsGroup,
    sender: &Sender,
    staged: &StagedCommit,
) -> Result<Vec<LeafCredential>, ClientError> {
    let mut leaves = Vec::new();
    for add in staged.add_proposals() {
        leaves.push(checked_leaf(add.add_proposal().key_package().leaf_node())?);
    }
    if let Some(leaf) = staged.update_path_leaf_node() {
        let credential = checked_leaf(leaf)?;
        let unchanged = |index| {
            let mut members = group.members();
            members.any(|member| member.index == index && member.credential == *leaf.credential())
        };
        match sender {
            Sender::Member(index) if unchanged(*index) => {}
            _ => leaves.push(credential),
        }
    }
    Ok(leaves)
}

/// The credential of a leaf, whose key it must name.
fn checked_leaf(leaf: &openmls::prelude::LeafNode) -> Result<LeafCredential, ClientError> {
    let credential = leaf_credential(leaf.credential().serialized_content())?;
    if credential.leaf.payload.verifying_key.0 != leaf.signature_key().as_slice() {
        return Err(ClientError::Dishonest("a leaf of another key"));
    }
    Ok(credential)
}

/// Whoever joins by external commit must be the one that was asked, and brings its friendship package.
fn judge_connection(
    group: &Group,
    joined: &[Member],
    data: &CommitData,
) -> Result<FriendshipPackage, ClientError> {
    let (Some(Connection::Asked(asked)), [joiner]) = (&group.connection, joined) else {
        return Err(ClientError::Dishonest("an external join that nobody waits for"));
    };
    let sealed = data.friendship_package.as_ref().filter(|_| joiner.user() == asked);
    let sealed = sealed.ok_or(ClientError::Dishonest("a connection with another than was asked"))?;
    Ok(decode(&group.credential_key.open(&friendship_package_binding(&group.id), sealed)?)?)
}
