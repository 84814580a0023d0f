//! PROTOCOL.md §11.12 — committing and sending: inviting contacts, renewing the client's own leaf, messages.
//!
//! A commit is *pending* until its outcome is known: it is merged when the answer or the receipt comes, and
//! dropped when it is refused or another member's commit comes for the same epoch. While the outcome is
//! unknown, the next operation on the group sends the commit again in a new request; the delivery service
//! takes it at most once, because it is of one epoch.

use super::{
    error::ClientError,
    event::TaskId,
    fan_out_queue,
    joiners::fetch_joiners,
    processing,
    shared::Shared,
    state::{CommitRequest, LockName, State, UnconfirmedMessage},
};
use crate::{
    error::{Advice, Refusal},
    identifiers::{GroupId, UserId},
    wire::delivery_service::CommitReply,
};

/// How often an operation starts again after another member's commit came first.
const MAX_REBASES: usize = 64;

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
        resolve_pending(&shared, &group).await?;
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

/// Renews the client's own leaf, and commits the proposals of the delivery service.
pub(super) async fn update(shared: Shared, group: GroupId) -> Result<(), ClientError> {
    let _lock = shared.lock(LockName::Group(group.clone())).await;
    for _ in 0..MAX_REBASES {
        resolve_pending(&shared, &group).await?;
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
        resolve_pending(&shared, &group).await?;
        if !commit_proposals(&shared, &group).await? {
            continue;
        }
        let message = shared.with(|state| state.encrypt_message(&group, &text))?;
        let forget = |state: &mut State| state.forget_message(&group, task);
        let sent = shared
            .call_ordered(&group.domain, &message.body, Some(&message.identity), |state, request| {
                forget(state);
                if let Some(group) = state.groups.get_mut(&group) {
                    group.unconfirmed.insert(request, UnconfirmedMessage { task, text: text.clone() });
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
                catch_up(&shared, &group, &refusal, message.epoch).await?;
            }
            // It may have been ordered: encrypting it again could send it twice.
            Err(ClientError::Unanswered { domain }) => return Err(ClientError::Unanswered { domain }),
            Err(error) => {
                shared.with(forget);
                return Err(error);
            }
        }
    }
    Err(ClientError::Contention)
}

/// Resolves a pending commit of unknown outcome. An error says why the group cannot go on.
async fn resolve_pending(shared: &Shared, group: &GroupId) -> Result<(), ClientError> {
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

/// Commits the proposals of the delivery service, if there are any. Returns whether none are left.
async fn commit_proposals(shared: &Shared, group: &GroupId) -> Result<bool, ClientError> {
    if !shared.with(|state| state.group(group).map(|group| group.has_proposals()))? {
        return Ok(true);
    }
    shared.with(|state| state.commit_update(group))?;
    submit(shared, group).await
}

/// Sends the pending commit and waits until its outcome is known. Returns whether it was merged.
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

/// Reads the queue until the group has what made the delivery service refuse: the epoch that it named, or the
/// proposals in the way.
async fn catch_up(shared: &Shared, id: &GroupId, refusal: &Refusal, epoch: u64) -> Result<(), ClientError> {
    let (patience, poll_interval) =
        shared.with(|state| (state.now + state.config.request_window, state.config.poll_interval));
    loop {
        fan_out_queue::read(shared).await?;
        processing::follow(shared, id).await?;
        let done = shared.with(|state| {
            let group = state.group(id)?;
            if !group.healthy {
                return Err(ClientError::NeedsResync);
            }
            Ok(if let Refusal::WrongEpoch { current } = refusal {
                group.pending.is_none() && group.epoch() >= *current
            } else {
                group.has_proposals() || group.epoch() > epoch
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
