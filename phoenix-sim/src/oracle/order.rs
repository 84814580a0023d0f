//! R1 — a group has one order: every position is given once, every epoch is begun once, and every member sees the
//! order that the delivery service gave.

use std::collections::BTreeMap;

use phoenix_core::{
    client::Event,
    identifiers::{GroupId, UserId},
    mls,
    wire::{
        delivery_service::{CommitReply, SendMessageReply},
        envelope::{RequestEnvelope, ResponseEnvelope},
        operations::Request,
    },
};
use sha2::{Digest, Sha256};

use super::{Observation, Violation};

type RequestHash = [u8; 32];

/// The order of all groups, as their delivery services told it and as members saw it.
#[derive(Debug, Default)]
pub struct Order {
    positions: BTreeMap<(GroupId, u64), RequestHash>,
    commits: BTreeMap<(GroupId, u64), RequestHash>,
    message_epochs: BTreeMap<(GroupId, u64), u64>,
    seen: BTreeMap<(UserId, GroupId), u64>,
    texts: BTreeMap<(GroupId, u64), Vec<u8>>,
}

/// What a delivery service has put into a group's order.
struct Ordered {
    group: GroupId,
    position: u64,
    /// The epoch that a commit began.
    began: Option<u64>,
    /// The epoch that a message was sent in.
    sent_in: Option<u64>,
}

impl Order {
    /// A homeserver has answered a request.
    ///
    /// # Errors
    /// Two requests at one position, or two that began one epoch: a fork.
    pub fn answered(&mut self, request: &[u8], reply: &[u8]) -> Result<(), Violation> {
        let Some(ordered) = ordered(request, reply) else { return Ok(()) };
        let hash: RequestHash = Sha256::digest(request).into();
        let Ordered { group, position, began, sent_in } = ordered;
        let fork = |what: String| Err(Violation::now("order", what));
        if *self.positions.entry((group.clone(), position)).or_insert(hash) != hash {
            return fork(format!("two requests were ordered at position {position} of {group}"));
        }
        if let Some(epoch) = began
            && *self.commits.entry((group.clone(), epoch)).or_insert(hash) != hash
        {
            return fork(format!("two commits began epoch {epoch} of {group}"));
        }
        if let Some(epoch) = sent_in {
            self.message_epochs.insert((group, position), epoch);
        }
        Ok(())
    }

    /// A client has said something.
    ///
    /// # Errors
    /// A message out of order, or another one than others saw at that position.
    pub fn observe(&mut self, observation: &Observation<'_>) -> Result<(), Violation> {
        let Event::Message { group, position, text, .. } = observation.event else { return Ok(()) };
        let user = observation.user_id;
        let last = self.seen.insert((user.clone(), group.clone()), *position);
        if last.is_some_and(|last| last >= *position) {
            let what = format!("{user} saw position {position} of {group} after {last:?}");
            return Err(Violation::now("order", what));
        }
        if self.texts.entry((group.clone(), *position)).or_insert_with(|| text.clone()) != text {
            let what = format!("{user} saw another message than others at position {position} of {group}");
            return Err(Violation::now("order", what));
        }
        Ok(())
    }

    /// The epoch that the message at this position was sent in, if an answer told.
    pub fn epoch(&self, group: &GroupId, position: u64) -> Option<u64> {
        self.message_epochs.get(&(group.clone(), position)).copied()
    }
}

/// What `reply` says that `request` has become, if it was put into an order.
fn ordered(request: &[u8], reply: &[u8]) -> Option<Ordered> {
    let (kind, envelope) = RequestEnvelope::read(request).ok()?;
    let request = Request::read(kind, envelope.body.as_slice()).ok()?;
    let group = match &request {
        Request::SendMessage(body) => {
            let SendMessageReply { position, .. } = ResponseEnvelope::read(reply).ok()?.ok()?;
            let epoch = mls::check_application_message(body.message.as_slice()).ok()?.epoch;
            let group = body.group.group_id.clone();
            return Some(Ordered { group, position, began: None, sent_in: Some(epoch) });
        }
        Request::AddUsers(body) => &body.group.group_id,
        Request::UpdateClient(body) => &body.group.group_id,
        Request::JoinConnectionGroup(body) => &body.group.group_id,
        _ => return None,
    };
    let CommitReply { position, epoch, .. } = ResponseEnvelope::read(reply).ok()?.ok()?;
    Some(Ordered { group: group.clone(), position, began: Some(epoch), sent_in: None })
}
