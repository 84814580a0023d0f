//! PROTOCOL.md §11.12 — committing and sending: inviting contacts, renewing the client's own leaf, messages.
//!
//! A commit is *pending* until its outcome is known: it is merged when the answer or the receipt comes, and
//! dropped when it is refused or another member's commit comes for the same epoch. While the outcome is
//! unknown, the next operation on the group sends the commit again in a new request; the delivery service
//! takes it at most once, because it is of one epoch.
//!
//! A message is encrypted once in an epoch, and its ciphertext is sent until it is ordered or the epoch is
//! over: receivers drop repeats, so it is read once.

use super::{
    error::ClientError,
    event::IntentId,
    exchange::{Body, Patience},
    joiners::fetch_joiners,
    pass::{Interrupt, Pass},
    state::{Answer, Awaited, CommitRequest, GivenUp, Intent, Lane, Note, State, Want},
};
use crate::{
    codec::{Bytes, Flag},
    error::{Advice, Refusal},
    identifiers::{GroupId, RequestId, UserId},
    limits::MAX_MLS_MESSAGE,
    wire::delivery_service::{CommitReply, SendMessage},
};

/// How often an operation begins anew after another member's commit came first.
const MAX_REBASES: u32 = 64;

/// Whether an operation commits the proposals of the delivery service before it does its own part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proposals {
    First,
    With,
}

/// Adds contacts to a group.
pub(super) fn invite(pass: &mut Pass<'_>, group: &GroupId, users: &[UserId]) -> Result<(), Interrupt> {
    let mut fetched = Vec::new();
    for user in users {
        let contact = pass.state().contacts.get(user).cloned();
        let contact = contact.ok_or_else(|| ClientError::NotAContact(user.clone()))?;
        let reply = fetch_joiners(pass, &contact)?;
        fetched.push((contact, reply));
    }
    pass.enter(Lane::Group(group.clone()))?;
    let place = pass.place();
    settle(pass, group, Proposals::First)?;
    pass.once("adds", |state| {
        if let Some(user) = users.iter().find(|user| state.is_member(group, user)) {
            return Err(ClientError::AlreadyMember(user.clone()));
        }
        let mut joiners = Vec::new();
        for (contact, reply) in &fetched {
            for package in &reply.packages {
                joiners.push(state.joiner(contact, package, &reply.batch)?);
            }
        }
        state.commit_adds(group, &joiners)
    })?;
    if submit(pass, group)? { Ok(()) } else { Err(pass.again_from(place)) }
}

/// Renews the client's own leaf, and commits the proposals of the delivery service.
pub(super) fn update(pass: &mut Pass<'_>, group: &GroupId) -> Result<(), Interrupt> {
    pass.enter(Lane::Group(group.clone()))?;
    let place = pass.place();
    settle(pass, group, Proposals::With)?;
    pass.once("update", |state| state.commit_update(group))?;
    if submit(pass, group)? { Ok(()) } else { Err(pass.again_from(place)) }
}

/// Sends an application message.
pub(super) fn send(pass: &mut Pass<'_>, group: &GroupId, text: &[u8]) -> Result<(), Interrupt> {
    pass.enter(Lane::Group(group.clone()))?;
    let place = pass.place();
    settle(pass, group, Proposals::First)?;
    let (message, epoch): (SendMessage, u64) =
        pass.once("message", |state| Ok((state.encrypt_message(group, text)?, state.epoch(group)?)))?;
    let sent = pass.ask(&group.domain, Patience::Unlimited, |state, request| {
        state.await_receipt(group, request, 1)?;
        Ok(Body::signed(message, state.leaf_identity(group)?))
    })?;
    let (request, copies) = pass.answered()?;
    let intent = pass.id();
    match sent {
        Ok(reply) => pass.once("acknowledged", |state| {
            // Each further copy may have been ordered, too.
            state.await_receipt(group, request, copies.saturating_sub(1))?;
            state.acknowledge(group, intent, reply.position, text);
            Ok(())
        }),
        Err(refusal) => {
            // An earlier copy may have been ordered: its receipt is known until the epoch is over.
            let was_uncertain = pass.was_uncertain()?;
            pass.once("refused", |state| {
                if !was_uncertain {
                    state.awaited.remove(&(group.clone(), request));
                }
                Ok(())
            })?;
            if refusal.advice() != Advice::Rebase {
                return Err(ClientError::from(refusal).into());
            }
            catch_up(pass, group, &refusal, epoch)?;
            Err(pass.again_from(place))
        }
    }
}

/// Resolves a pending commit of unknown outcome, and commits proposals that are in the way. Then the intent
/// begins anew. An error says why the group cannot go on.
fn settle(pass: &mut Pass<'_>, group: &GroupId, proposals: Proposals) -> Result<(), Interrupt> {
    let place = pass.place();
    if pass.rounds() > MAX_REBASES {
        return Err(ClientError::Contention.into());
    }
    // What has come of the group is followed first: a restored client may find that its keys are used.
    if !pass.is_repeated() {
        follow_first(pass, group)?;
    }
    let is_busy = pass.once("settle", |state| {
        state.group(group)?;
        if !state.is_healthy(group) {
            return Err(ClientError::NeedsResync);
        }
        let pending = state.pending_commits.contains(group);
        if !pending && proposals == Proposals::First && state.has_proposals(group)? {
            state.commit_update(group)?;
            return Ok(Flag::Yes);
        }
        Ok(Flag::from(pending))
    })?;
    if is_busy == Flag::Yes {
        submit(pass, group)?;
        return Err(pass.again_from(place));
    }
    Ok(())
}

/// Follows what is in the group's inbox, held back or not.
fn follow_first(pass: &mut Pass<'_>, group: &GroupId) -> Result<(), Interrupt> {
    let state = pass.state();
    if state.groups.contains(group) && state.next_in_inbox(group).is_some() {
        return Err(pass.after(&Want::Follow { group: group.clone() }));
    }
    Ok(())
}

/// Sends the pending commit and waits until its outcome is known. Returns whether it was merged.
fn submit(pass: &mut Pass<'_>, id: &GroupId) -> Result<bool, Interrupt> {
    let (adds, epoch, request): (Flag, u64, RequestId) = pass.once("submitted", |state| {
        let pending = state.pending_commits.get(id).ok_or(ClientError::UnknownGroup)?;
        let adds = matches!(pending.request, CommitRequest::AddUsers(_));
        Ok((adds.into(), state.epoch(id)?, pending.id))
    })?;
    let reply: Result<CommitReply, Refusal> = if adds == Flag::Yes {
        pass.ask_as(&id.domain, Patience::Window, request, |state| match state.pending(id)? {
            CommitRequest::AddUsers(body) => Ok(Body::signed(body, state.leaf_identity(id)?)),
            CommitRequest::Update(_) => Err(ClientError::UnknownGroup),
        })?
    } else {
        pass.ask_as(&id.domain, Patience::Window, request, |state| match state.pending(id)? {
            CommitRequest::Update(body) => Ok(Body::signed(body, state.leaf_identity(id)?)),
            CommitRequest::AddUsers(_) => Err(ClientError::UnknownGroup),
        })?
    };
    let refusal = match reply {
        Ok(_) => {
            pass.once("merged", |state| state.merge_pending(id))?;
            return Ok(true);
        }
        Err(refusal) => refusal,
    };
    let rebase = refusal.advice() == Advice::Rebase;
    pass.once("refused", |state| {
        // A commit of another epoch may have been ordered by an earlier request: its receipt will say.
        if rebase && matches!(refusal, Refusal::WrongEpoch { .. }) { Ok(()) } else { state.drop_pending(id) }
    })?;
    if !rebase {
        return Err(ClientError::from(refusal).into());
    }
    catch_up(pass, id, &refusal, epoch)?;
    let merged = pass.state().progress.get(id).and_then(|progress| progress.own_epoch);
    Ok(merged == Some(epoch + 1))
}

/// Reads the queue until the group has what made the delivery service refuse: the epoch that it named, or the
/// proposals in the way.
fn catch_up(pass: &mut Pass<'_>, id: &GroupId, refusal: &Refusal, epoch: u64) -> Result<(), Interrupt> {
    let (until, readings): (crate::time::Timestamp, u64) =
        pass.once("catches up", |state| Ok((state.now + state.config.request_window, state.readings)))?;
    pass.state().group(id)?;
    follow_first(pass, id)?;
    if matches!(refusal, Refusal::WrongEpoch { current } if *current < epoch) {
        pass.once("is ahead", |state| {
            state.mark_gone_back(id);
            Ok(())
        })?;
    }
    let state = pass.state();
    if !state.is_healthy(id) {
        return Err(ClientError::NeedsResync.into());
    }
    let is_done = if let Refusal::WrongEpoch { current } = refusal {
        !state.pending_commits.contains(id) && state.epoch(id)? >= *current
    } else {
        state.has_proposals(id)? || state.epoch(id)? > epoch
    };
    if is_done {
        return Ok(());
    }
    if state.now >= until {
        return Err(ClientError::from(refusal.clone()).into());
    }
    let next = state.last_read + state.config.poll_interval;
    // That a reading failed is no reason to give up: another may succeed.
    let has_failed = pass.take_failure().is_some();
    if (pass.state().readings == readings || pass.now() >= next) && !has_failed {
        return Err(pass.after(&Want::ReadFanOutQueue));
    }
    let patience = pass.state().config.poll_interval;
    Err(pass.wait_for_change(patience))
}

/// Keeps a message in mind that is given up but may have been ordered: its receipt acknowledges it.
pub(super) fn give_up(state: &mut State, id: IntentId, intent: &Intent) {
    let Want::Send { group, text } = &intent.want else { return };
    let sent = intent.notes.iter().find_map(|note| match note {
        Note::Call(call) if call.request.is_some() => Some(call.id),
        Note::Answered { id, uncertain: Flag::Yes, answer: Answer::Refused(_), .. } => Some(*id),
        Note::Call(_) | Note::Made { .. } | Note::Answered { .. } => None,
    });
    let Some(request) = sent else { return };
    if let Some(awaited) = state.awaited.get_mut(&(group.clone(), request)) {
        awaited.message = Some(GivenUp { intent: id, text: text.clone() });
    }
}

impl State {
    /// Awaits this many more receipts of a request.
    fn await_receipt(&mut self, id: &GroupId, request: RequestId, copies: u32) -> Result<(), ClientError> {
        let epoch = self.epoch(id)?;
        let key = (id.clone(), request);
        match self.awaited.get_mut(&key) {
            _ if copies == 0 => {}
            Some(awaited) => awaited.copies = awaited.copies.saturating_add(copies),
            None => _ = self.awaited.insert(key, Awaited { epoch, copies, message: None }),
        }
        Ok(())
    }

    fn pending(&self, id: &GroupId) -> Result<CommitRequest, ClientError> {
        let pending = self.pending_commits.get(id).ok_or(ClientError::UnknownGroup)?;
        Ok(pending.request.clone())
    }

    /// Takes in a receipt. Returns whether this client knows of the request.
    pub fn receive(&mut self, id: &GroupId, request: RequestId, position: u64) -> bool {
        let key = (id.clone(), request);
        let Some(awaited) = self.awaited.get_mut(&key) else { return self.has_request(request) };
        awaited.copies = awaited.copies.saturating_sub(1);
        let message: Option<(IntentId, Bytes<MAX_MLS_MESSAGE>)> =
            awaited.message.take().map(|GivenUp { intent, text }| (intent, text));
        if awaited.copies == 0 {
            self.awaited.remove(&key);
        }
        if let Some((intent, text)) = message {
            self.acknowledge(id, intent, position, text.as_slice());
        }
        true
    }
}
