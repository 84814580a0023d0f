//! PROTOCOL.md §8, §11 — commits of ours: inviting contacts, renewing the own leaf; and sending messages, which
//! must wait for them.
//!
//! A commit that was made stays *pending* until its fate is known: merged when the answer or the receipt comes,
//! dropped when it is refused or another's commit comes for the same epoch. While nobody knows, the next
//! operation on the group sends it again, in a new request; the delivery service takes it once at most, for it
//! is of one epoch.

use openmls::prelude::{KeyPackage, KeyPackageIn, ProtocolVersion};
use openmls_traits::OpenMlsProvider;
use tls_codec::Deserialize;

use super::{
    ClientError, Event, TaskId,
    groups::{CommitRequest, Member, Unconfirmed, message_bytes},
    locks::LockName,
    messages::{add_package_binding, leaf_credential},
    state::{Contact, Identity, Shared, State},
};
use crate::{
    codec::decode,
    credentials::MemberCredential,
    crypto::aead::EarKey,
    error::{Advice, Refusal},
    identifiers::{Domain, GroupId, UserId},
    mls::validate_key_package,
    wire::{
        delivery_service::{CommitReply, SendMessage},
        fan_out::ClientQueueConfig,
        queuing_service::{AddPackage, GetKeyPackage, KeyPackageBatch},
    },
};

/// How often an operation begins anew after others were faster.
const MAX_REBASES: usize = 64;

/// A client of a contact, ready to be added.
pub(super) struct Joiner {
    pub package: KeyPackage,
    pub member: Member,
    /// Seals the attribution to the joiner.
    pub friendship_key: EarKey,
    pub batch: KeyPackageBatch,
}

/// Adds contacts to a group.
pub(super) async fn invite(shared: Shared, group: GroupId, users: Vec<UserId>) -> Result<(), ClientError> {
    let mut joiners = Vec::new();
    for user in &users {
        let contact = shared.with(|state| state.contacts.get(user).cloned());
        let contact = contact.ok_or_else(|| ClientError::NotAContact(user.clone()))?;
        joiners.extend(fetch_joiners(&shared, &contact).await?);
    }
    let _lock = shared.lock(LockName::Group(group.clone())).await;
    for _ in 0..MAX_REBASES {
        settle(&shared, &group).await?;
        if !commit_proposals(&shared, &group).await? {
            continue;
        }
        shared.with(|state| {
            let members = state.group(&group)?;
            match users.iter().find(|user| members.is_member(user)) {
                Some(user) => Err(ClientError::AlreadyMember(user.clone())),
                None => state.commit_adds(&group, &joiners),
            }
        })?;
        if submit(&shared, &group).await? {
            return Ok(());
        }
    }
    Err(ClientError::Contention)
}

/// Renews the client's own leaf, and commits what the delivery service has proposed.
pub(super) async fn update(shared: Shared, group: GroupId) -> Result<(), ClientError> {
    let _lock = shared.lock(LockName::Group(group.clone())).await;
    for _ in 0..MAX_REBASES {
        settle(&shared, &group).await?;
        shared.with(|state| state.commit_update(&group))?;
        if submit(&shared, &group).await? {
            return Ok(());
        }
    }
    Err(ClientError::Contention)
}

/// Sends an application message.
pub(super) async fn send(
    shared: Shared,
    task: TaskId,
    group: GroupId,
    text: Vec<u8>,
) -> Result<(), ClientError> {
    let _lock = shared.lock(LockName::Group(group.clone())).await;
    for _ in 0..MAX_REBASES {
        settle(&shared, &group).await?;
        if !commit_proposals(&shared, &group).await? {
            continue;
        }
        let (body, identity, epoch) = shared.with(|state| state.message(&group, &text))?;
        let forget = |state: &mut State| state.forget_message(&group, task);
        let sent = shared
            .call_ordered(&group.domain, &body, Some(&identity), |state, request| {
                forget(state);
                if let Some(group) = state.groups.get_mut(&group) {
                    group.unconfirmed.insert(request, Unconfirmed { task, text: text.clone() });
                }
            })
            .await;
        match sent {
            Ok(reply) => {
                shared.with(|state| state.acknowledge(&group, task, reply.position));
                return Ok(());
            }
            Err(ClientError::Refused(refusal)) if refusal.advice() == Advice::Rebase => {
                shared.with(forget);
                catch_up(&shared, &group, &refusal, epoch).await?;
            }
            // Whoever asks again for what may have been done, would do it twice.
            Err(ClientError::Unanswered { domain }) => return Err(ClientError::Unanswered { domain }),
            Err(error) => {
                shared.with(forget);
                return Err(error);
            }
        }
    }
    Err(ClientError::Contention)
}

/// Finds out what became of a commit that nobody knows of, and makes sure that the group can go on.
async fn settle(shared: &Shared, group: &GroupId) -> Result<(), ClientError> {
    let (pending, healthy) = shared.with(|state| {
        let group = state.group(group)?;
        Ok::<_, ClientError>((group.pending.is_some(), group.healthy))
    })?;
    if !healthy {
        return Err(ClientError::NeedsResync);
    }
    if pending {
        submit(shared, group).await?;
    }
    Ok(())
}

/// Commits what the delivery service has proposed, if it has. Whether the group is free of proposals now.
async fn commit_proposals(shared: &Shared, group: &GroupId) -> Result<bool, ClientError> {
    if !shared.with(|state| state.group(group).map(|group| group.has_proposals()))? {
        return Ok(true);
    }
    shared.with(|state| state.commit_update(group))?;
    submit(shared, group).await
}

/// Sends the pending commit and waits until its fate is known. Whether it was merged.
async fn submit(shared: &Shared, id: &GroupId) -> Result<bool, ClientError> {
    let (request, identity, epoch) = shared.with(|state| {
        let group = state.group(id)?;
        let pending = group.pending.as_ref().ok_or(ClientError::UnknownGroup)?;
        Ok::<_, ClientError>((pending.request.clone(), group.identity(), group.epoch()))
    })?;
    let note = |state: &mut State, request| {
        if let Some(pending) = state.groups.get_mut(id).and_then(|group| group.pending.as_mut()) {
            pending.requests.push(request);
        }
    };
    let reply: Result<CommitReply, ClientError> = match &request {
        CommitRequest::AddUsers(body) => shared.call_ordered(&id.domain, body, Some(&identity), note).await,
        CommitRequest::Update(body) => shared.call_ordered(&id.domain, body, Some(&identity), note).await,
    };
    match reply {
        Ok(_) => {
            shared.with(|state| state.merge_pending(id))?;
            Ok(true)
        }
        Err(ClientError::Refused(refusal)) if refusal.advice() == Advice::Rebase => {
            if !matches!(refusal, Refusal::WrongEpoch { .. }) {
                shared.with(|state| state.drop_pending(id))?;
            }
            catch_up(shared, id, &refusal, epoch).await?;
            shared.with(|state| Ok(state.group(id)?.merged))
        }
        Err(ClientError::Unanswered { domain }) => Err(ClientError::Unanswered { domain }),
        Err(error) => {
            shared.with(|state| state.drop_pending(id))?;
            Err(error)
        }
    }
}

/// Reads the queue until the group is where the delivery service says that it is: what made it refuse is on its
/// way.
async fn catch_up(shared: &Shared, id: &GroupId, refusal: &Refusal, epoch: u64) -> Result<(), ClientError> {
    let (patience, poll_interval) =
        shared.with(|state| (state.now + state.config.request_window, state.config.poll_interval));
    loop {
        super::inbox::read_fan_out(shared).await?;
        super::processing::follow(shared, id).await?;
        let done = shared.with(|state| {
            let group = state.group(id)?;
            if !group.healthy {
                return Err(ClientError::NeedsResync);
            }
            Ok(match refusal {
                Refusal::WrongEpoch { current } => group.pending.is_none() && group.epoch() >= *current,
                _ => group.has_proposals() || group.epoch() > epoch,
            })
        })?;
        if done {
            return Ok(());
        }
        if shared.now() >= patience {
            return Err(refusal.clone().into());
        }
        shared.sleep(poll_interval).await;
    }
}

/// Fetches key packages of a contact, one for each of its clients, and checks them.
async fn fetch_joiners(shared: &Shared, contact: &Contact) -> Result<Vec<Joiner>, ClientError> {
    let domain = contact.credential.client_id().user_id.domain.clone();
    let friendship = &contact.friendship;
    let body = GetKeyPackage { user: friendship.user, friendship_token: friendship.token.clone() };
    let reply = shared.call(&domain, &body, None).await?;
    check_batch(shared, &domain, &reply.batch).await?;
    let mut joiners = Vec::new();
    for package in &reply.packages {
        joiners.push(shared.judged(|state| Ok(state.joiner(contact, package, &reply.batch)?)).await?);
        if let Some(joiner) = joiners.last() {
            let leaf = leaf_credential(joiner.package.leaf_node().credential().serialized_content())?;
            shared.refresh_authorities(&domain).await;
            shared.judged(|state| state.judge_leaf(&leaf, &joiner.member.credential)).await?;
        }
    }
    Ok(joiners)
}

/// A batch has to be the contact's queuing service's, and signed by it: the delivery service will look, too.
async fn check_batch(shared: &Shared, domain: &Domain, batch: &KeyPackageBatch) -> Result<(), ClientError> {
    if batch.content.domain != *domain {
        return Err(ClientError::Dishonest("key packages vouched for by another homeserver"));
    }
    let keys = shared.queuing_keys(domain).await?;
    let key = keys.verifying_key(batch.content.key_id, shared.now());
    let key = key.ok_or(ClientError::Dishonest("key packages vouched for with an unknown key"))?;
    Ok(key.verify(&batch.content, &batch.signature)?)
}

impl State {
    /// Encrypts a message, in the epoch that is given besides.
    fn message(&mut self, id: &GroupId, text: &[u8]) -> Result<(SendMessage, Identity, u64), ClientError> {
        let Self { groups, provider, .. } = self;
        let group = groups.get_mut(id).ok_or(ClientError::UnknownGroup)?;
        let message = group.mls.create_message(provider, &group.leaf_key, text).map_err(ClientError::mls)?;
        let message = message_bytes(&message)?.try_into().map_err(|_| ClientError::TooLong)?;
        Ok((SendMessage { group: group.access(), message }, group.identity(), group.epoch()))
    }

    /// Nobody is to hear of this message any more: it was not ordered.
    fn forget_message(&mut self, id: &GroupId, task: TaskId) {
        if let Some(group) = self.groups.get_mut(id) {
            group.unconfirmed.retain(|_, unconfirmed| unconfirmed.task != task);
        }
    }

    /// Checks an add package, but for the leaf's chain of credentials.
    fn joiner(
        &mut self,
        contact: &Contact,
        package: &AddPackage,
        batch: &KeyPackageBatch,
    ) -> Result<Joiner, ClientError> {
        let bytes = package.key_package.as_slice();
        let crypto = self.provider.crypto();
        let view = validate_key_package(crypto, bytes, self.now.seconds()).map_err(ClientError::mls)?;
        let leaf = leaf_credential(&view.credential)?;
        if *leaf.leaf.payload.verifying_key.0.as_slice() != view.signature_key.0 {
            return Err(ClientError::Dishonest("a leaf of another key"));
        }
        let identity = leaf.leaf.payload.identity;
        let opened =
            contact.friendship.key.open(&add_package_binding(&identity), &package.encrypted_credential)?;
        let credential: MemberCredential = decode(&opened)?;
        let user = &contact.credential.client_id().user_id;
        if credential.client_credential.client_id().user_id != *user {
            return Err(ClientError::Dishonest("a key package of another user"));
        }
        let config: ClientQueueConfig = decode(&view.queue_config)?;
        if config.domain != user.domain {
            return Err(ClientError::Dishonest("a queue at another homeserver"));
        }
        if !batch.content.references.iter().any(|reference| reference.as_slice() == view.reference) {
            return Err(ClientError::Dishonest("a key package that nobody vouches for"));
        }
        let package = KeyPackageIn::tls_deserialize(&mut &*bytes).map_err(ClientError::mls)?;
        let package = package.validate(crypto, ProtocolVersion::Mls10).map_err(ClientError::mls)?;
        let member = Member { identity, credential };
        Ok(Joiner { package, member, friendship_key: contact.friendship.key.clone(), batch: batch.clone() })
    }

    /// Tells that a message was ordered, unless that was told already.
    pub fn acknowledge(&mut self, id: &GroupId, task: TaskId, position: u64) {
        let Some(group) = self.groups.get_mut(id) else { return };
        let request = group.unconfirmed.iter().find(|(_, unconfirmed)| unconfirmed.task == task);
        let Some(request) = request.map(|(request, _)| *request) else { return };
        if let Some(Unconfirmed { task, text }) = group.unconfirmed.remove(&request) {
            self.emit(Event::MessageAcknowledged { task, group: id.clone(), position, text });
        }
    }
}
