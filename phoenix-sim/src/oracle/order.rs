//! R1 — a group has one order: every position is assigned once, every epoch is begun once, and every member
//! receives messages in the order of their positions.

use std::collections::BTreeMap;

use phoenix_core::{
    client::Event,
    identifiers::{GroupId, LogId, UserId},
    mls,
    wire::{
        delivery_service::{
            AddUsers, CommitReply, JoinConnectionGroup, SendMessage, SendMessageReply, UpdateClient,
        },
        envelope::{RequestEnvelope, ResponseEnvelope},
        fan_out::{FanOutContent, FanOutMessage},
        operations::Request,
    },
};
use sha2::{Digest, Sha256};

use super::{observation::Observation, rows::LoggedMessage, violation::Violation};
use crate::schedule::EventNumber;

type RequestHash = [u8; 32];

/// The order of all groups, as their delivery services answered and as members saw it.
#[derive(Debug, Default)]
pub struct Order {
    /// The request at each position of a group.
    positions: BTreeMap<(GroupId, u64), (RequestHash, EventNumber)>,
    /// The request that began each epoch of a group.
    commits: BTreeMap<(GroupId, u64), (RequestHash, EventNumber)>,
    /// The epoch of the message at each position of a group.
    message_epochs: BTreeMap<(GroupId, u64), u64>,
    /// The positions that each member has seen, and in which step of the world.
    seen: BTreeMap<(UserId, GroupId), BTreeMap<u64, u64>>,
    /// The text that the first member saw at each position of a group.
    texts: BTreeMap<(GroupId, u64), Vec<u8>>,
}

/// A request that a delivery service has given a position.
struct Ordered {
    group: GroupId,
    position: u64,
    /// The epoch that it began, if it is a commit.
    began: Option<u64>,
    /// The epoch that it was sent in, if it is a message.
    sent_in: Option<u64>,
}

impl Order {
    /// Notes the position that a homeserver has given a request, which it says in the event `number`.
    ///
    /// # Errors
    /// A fork: another request has the same position or began the same epoch.
    pub fn answered(&mut self, request: &[u8], reply: &[u8], number: EventNumber) -> Result<(), Violation> {
        let Some(ordered) = ordered(request, reply) else { return Ok(()) };
        let hash: RequestHash = Sha256::digest(request).into();
        let Ordered { group, position, began, sent_in } = ordered;
        let should =
            "The delivery service refuses a request that is not for the state that the group has now.";
        let fork = |what: String, since| Err(Violation::since("order", what, should, since));
        let (known, since) = *self.positions.entry((group.clone(), position)).or_insert((hash, number));
        if known != hash {
            return fork(format!("two requests were ordered at position {position} of {group}"), since);
        }
        if let Some(epoch) = began {
            let (known, since) = *self.commits.entry((group.clone(), epoch)).or_insert((hash, number));
            if known != hash {
                return fork(format!("two commits began epoch {epoch} of {group}"), since);
            }
        }
        if let Some(epoch) = sent_in {
            self.message_epochs.insert((group, position), epoch);
        }
        Ok(())
    }

    /// Notes the epoch of a message that a delivery service writes to the log of its group. The sender may
    /// learn from its queue that the message was ordered, without any answer to the request.
    pub fn logged(&mut self, logged: &LoggedMessage) {
        let FanOutMessage { group_id, position, contents, .. } = &logged.message;
        let epoch = contents.iter().find_map(|content| {
            let FanOutContent::Message(bytes) = content else { return None };
            Some(mls::check_application_message(bytes.as_slice()).ok()?.epoch)
        });
        if let (LogId::Group(_), Some(epoch)) = (&logged.log, epoch) {
            self.message_epochs.insert((group_id.clone(), *position), epoch);
        }
    }

    /// Notes the position of a message that a client has received.
    ///
    /// # Errors
    /// The message is out of order, or others received another one at its position.
    pub fn observe(&mut self, observation: &Observation<'_>) -> Result<(), Violation> {
        let Event::Message { group, position, text, .. } = observation.event else { return Ok(()) };
        let user = observation.user_id;
        let seen = self.seen.entry((user.clone(), group.clone())).or_default();
        let last = seen.last_key_value().map(|(last, _)| *last);
        seen.insert(*position, observation.step);
        if last.is_some_and(|last| last >= *position) {
            let last = last.unwrap_or_default();
            let what = format!("{user} saw position {position} of {group} after position {last}");
            let should = format!("The client of {user} shows the messages of a group by their positions.");
            return Err(Violation::now("order", what, should));
        }
        if self.texts.entry((group.clone(), *position)).or_insert_with(|| text.clone()) != text {
            let what = format!("{user} saw another message than others at position {position} of {group}");
            let should = "At one position of a group all members see the same message.";
            return Err(Violation::now("order", what, should));
        }
        Ok(())
    }

    /// Forgets the order of a group from a position on, and if it `is_stuck`, all its epochs.
    pub fn group_goes_back(&mut self, group: &GroupId, first: u64, is_stuck: bool) {
        self.positions.retain(|(of, position), _| of != group || *position < first);
        self.message_epochs.retain(|(of, position), _| of != group || *position < first);
        self.texts.retain(|(of, position), _| of != group || *position < first);
        self.commits.retain(|(of, _), _| of != group || !is_stuck);
        let of_group = self.seen.iter_mut().filter(|((_, of), _)| of == group);
        of_group.for_each(|(_, seen)| seen.retain(|position, _| *position < first));
    }

    /// Returns the last position of a group that a user has received. `None`: it has received nothing.
    pub fn last_seen(&self, user: &UserId, group: &GroupId) -> Option<u64> {
        self.seen.get(&(user.clone(), group.clone()))?.last_key_value().map(|(last, _)| *last)
    }

    /// Forgets what a user has seen from the step `since` on.
    pub fn goes_back(&mut self, user: &UserId, since: u64) {
        let of_user = self.seen.iter_mut().filter(|((of, _), _)| of == user);
        of_user.for_each(|(_, seen)| seen.retain(|_, step| *step < since));
    }

    /// Returns the epoch that the message at a position was sent in. `None`: no message was ordered there.
    pub fn epoch(&self, group: &GroupId, position: u64) -> Option<u64> {
        self.message_epochs.get(&(group.clone(), position)).copied()
    }
}

/// Returns the place of `request` in the order of its group, according to `reply`. `None`: it has none.
fn ordered(request: &[u8], reply: &[u8]) -> Option<Ordered> {
    let (kind, envelope) = RequestEnvelope::read(request).ok()?;
    let request = Request::read(kind, envelope.body.as_slice()).ok()?;
    if let Request::SendMessage(SendMessage { group, message, .. }) = &request {
        let SendMessageReply { position, .. } = ResponseEnvelope::read(reply).ok()?.ok()?;
        let epoch = mls::check_application_message(message.as_slice()).ok()?.epoch;
        let group = group.group_id.clone();
        return Some(Ordered { group, position, began: None, sent_in: Some(epoch) });
    }
    let (Request::AddUsers(AddUsers { group, .. })
    | Request::UpdateClient(UpdateClient { group, .. })
    | Request::JoinConnectionGroup(JoinConnectionGroup { group, .. })) = &request
    else {
        return None;
    };
    let CommitReply { position, epoch, .. } = ResponseEnvelope::read(reply).ok()?.ok()?;
    Some(Ordered { group: group.group_id.clone(), position, began: Some(epoch), sent_in: None })
}
