//! R6 — a client killed at any moment goes on from what it saved: nothing is lost, nothing is done twice, no
//! key is used again.
//!
//! That nothing acknowledged is lost and no text is shown twice, [`acknowledged`](super::acknowledged) and
//! [`duplicates`](super::duplicates) check across crashes as without; that all that a client had begun ends,
//! the world's `unfinished`. A second message under a key that was used before cannot be read, which
//! [`queues`](super::queues) finds. This oracle checks the rest:
//!
//! * An event that is shown again after a restart is the one that was shown before.
//! * One request id stands for one request: all requests with it have the same body.
//! * One MLS ciphertext is ordered for one text only.
//!
//! # Older copies
//!
//! A client that is restored from an older copy of its device cannot have what was acknowledged since. It
//! must say so once a homeserver has told it, and from the restart on it sends nothing new to the groups that
//! it had before. What its user had seen since the copy was made counts as not seen.
//!
//! Once the client has said so, one thing is excepted from all other oracles: that this user receives the
//! messages of these groups, and can follow them (and the first entries of its direct queue, if the copy was
//! made before the key of that queue was read). *These groups* are those that the client was in when it
//! crashed, or on its way into, and those whose invitation it declines since, because key packages or the
//! inviter's connection are lost. A group whose invitation was not acknowledged yet, so that the client joins
//! it once more, is none of them from then on, unless the client says once more that it is an older copy:
//! then it has found what the other had sent there. Everything else holds: for the other members in these
//! groups, for what this user had sent there, and for this user in all other groups.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use phoenix_core::{
    client::{Event, EventId},
    codec::decode,
    identifiers::{GroupId, LogId, RequestId, UserId},
    wire::{
        delivery_service::{AddUsers, SendMessage, UpdateClient},
        envelope::{RequestEnvelope, ResponseEnvelope},
        fan_out::FanOutContent,
        operations::{OperationKind, Request},
        queues::DequeueReply,
        queuing_service::Dequeue,
    },
};
use sha2::{Digest, Sha256};

use super::{observation::Observation, rows::LoggedMessage, violation::Violation};
use crate::{names, schedule::EventNumber};

type Hash = [u8; 32];

/// What clients have shown, sent and acknowledged, and which of them were restored from an older copy.
#[derive(Debug, Default)]
pub struct Restored {
    shown: BTreeMap<(UserId, EventId), Shown>,
    /// The hash of operation, homeserver and body.
    requests: BTreeMap<RequestId, (Hash, EventNumber)>,
    /// The ciphertext of the message at each position of a group.
    ciphertexts: BTreeMap<(GroupId, u64), Hash>,
    /// The text that each ciphertext stands for.
    texts: BTreeMap<Hash, Vec<u8>>,
    /// The first entry of its queue that each client has not acknowledged, as far as homeservers have
    /// answered.
    acknowledged: BTreeMap<UserId, u64>,
    older: BTreeMap<UserId, Older>,
}

/// An event that was shown.
#[derive(Debug)]
struct Shown {
    event: Event,
    /// The step of the world in which it was, and the event of the world.
    step: u64,
    number: EventNumber,
}

/// A user whose client was restored from an older copy.
#[derive(Debug, Default)]
struct Older {
    /// The groups that the client was in, or on its way into.
    lost: BTreeSet<GroupId>,
    /// Those of them that the restored client has joined, because nothing of them was acknowledged.
    rejoined: BTreeSet<GroupId>,
    /// Whether a homeserver has told the client that others have read its queue.
    is_told: bool,
    /// Whether the client has said so.
    has_said: bool,
    /// The event in which it crashed.
    event: EventNumber,
}

impl Restored {
    /// Notes that a client shows an event. Returns whether it does for the first time.
    ///
    /// # Errors
    /// It has shown another one under the same id.
    pub fn shows(&mut self, id: EventId, observation: &Observation<'_>) -> Result<bool, Violation> {
        let Observation { user_id: user, event, step, number, .. } = *observation;
        match self.shown.get(&(user.clone(), id)) {
            None => {
                self.shown.insert((user.clone(), id), Shown { event: event.clone(), step, number });
                Ok(true)
            }
            Some(earlier) if earlier.event == *event => Ok(false),
            Some(earlier) => {
                let (now, before) = (names::client_event(event), names::client_event(&earlier.event));
                let what = format!("{user} is shown under one id: {user} {now}; and before: {user} {before}");
                let should = "A client that shows an event again shows the same one under its id.";
                Err(Violation::since("restored", what, should, earlier.number))
            }
        }
    }

    /// Checks a request that leaves a client.
    ///
    /// # Errors
    /// Another request has left under its id, or it is a new one to a group that its sender has lost.
    pub fn sent(&mut self, user: &UserId, request: &[u8], number: EventNumber) -> Result<(), Violation> {
        let Ok((kind, envelope)) = RequestEnvelope::read(request) else { return Ok(()) };
        let mut hash = Sha256::new();
        hash.update(kind.code().to_be_bytes());
        hash.update(envelope.service_domain.as_str());
        hash.update([0]);
        hash.update(envelope.body.as_slice());
        let hash: Hash = hash.finalize().into();
        let is_new = !self.requests.contains_key(&envelope.request_id);
        let (known, since) = *self.requests.entry(envelope.request_id).or_insert((hash, number));
        if known != hash {
            let what = format!(
                "{user} sends two requests under one id, {}: this one is {kind:?}",
                envelope.request_id
            );
            let should = "A client sends the same request again, or takes a new id for another one.";
            return Err(Violation::since("restored", what, should, since));
        }
        match (self.older.get(user), changed_group(kind, envelope.body.as_slice())) {
            (Some(older), Some(group)) if is_new && older.lost.contains(&group) => {
                let what = format!("{user} lost {group} with an older copy, and sends a {kind:?} to it");
                let should = "A client that is an older copy sends nothing new to the groups that it had.";
                Err(Violation::since("restored", what, should, older.event))
            }
            _ => Ok(()),
        }
    }

    /// Notes an answer that a client receives: what it has acknowledged, and whether it must know by it that
    /// it is an older copy. Returns the entries of its queue that it receives, if it does.
    pub fn answered(&mut self, user: &UserId, request: &[u8], answer: &[u8]) -> Option<Range<u64>> {
        let (kind, envelope) = RequestEnvelope::read(request).ok()?;
        if kind != OperationKind::Dequeue {
            return None;
        }
        let Dequeue { range } = decode(envelope.body.as_slice()).ok()?;
        let reply = ResponseEnvelope::read::<DequeueReply>(answer).ok()?.ok()?;
        let acknowledged = self.acknowledged.entry(user.clone()).or_default();
        *acknowledged = range.first.max(*acknowledged);
        if let Some(older) = self.older.get_mut(user) {
            older.is_told |= reply.first > range.first;
        }
        // The owner may ask for entries behind the oldest one.
        let first = range.first.max(reply.first);
        Some(first..first.saturating_add(reply.entries.len() as u64))
    }

    /// Returns whether a client has acknowledged entries of its queue beyond the first `entries`.
    pub fn has_acknowledged(&self, user: &UserId, entries: u64) -> bool {
        self.acknowledged.get(user).is_some_and(|acknowledged| *acknowledged > entries)
    }

    /// Notes the ciphertext of a message that a delivery service writes to the log of its group.
    pub fn logged(&mut self, logged: &LoggedMessage) {
        let message = &logged.message;
        for content in message.contents.iter() {
            if let (LogId::Group(_), FanOutContent::Message(bytes)) = (&logged.log, content) {
                let name = (message.group_id.clone(), message.position);
                self.ciphertexts.insert(name, Sha256::digest(bytes.as_slice()).into());
            }
        }
    }

    /// Forgets the messages of a group from a position on.
    pub fn group_goes_back(&mut self, group: &GroupId, first: u64) {
        self.ciphertexts.retain(|(of, position), _| of != group || *position < first);
    }

    /// Notes an event that a client shows for the first time.
    ///
    /// # Errors
    /// A client says for no reason that it is an older copy.
    pub fn observe(&mut self, observation: &Observation<'_>) -> Result<(), Violation> {
        match (observation.event, self.older.get_mut(observation.user_id)) {
            (Event::OldCopy, Some(older)) => {
                older.has_said = true;
                let again = std::mem::take(&mut older.rejoined);
                older.lost.extend(again);
            }
            (Event::Joined(group), Some(older)) if older.lost.contains(group) => {
                older.lost.remove(group);
                older.rejoined.insert(group.clone());
            }
            (Event::OldCopy, None) => {
                let what = format!("{} takes itself for an older copy", observation.user_id);
                let should = "A client that no one has set back finds its queue as it left it.";
                return Err(Violation::now("restored", what, should));
            }
            (Event::Declined { group, .. }, Some(older)) if older.has_said => {
                older.lost.insert(group.clone());
            }
            _ => {}
        }
        Ok(())
    }

    /// Checks the message that an event tells of.
    ///
    /// # Errors
    /// One ciphertext was ordered for two texts.
    pub fn distinguishes(&mut self, observation: &Observation<'_>) -> Result<(), Violation> {
        let (Event::Message { group, position, text, .. }
        | Event::MessageAcknowledged { group, position, text, .. }) = observation.event
        else {
            return Ok(());
        };
        let Some(ciphertext) = self.ciphertexts.get(&(group.clone(), *position)) else { return Ok(()) };
        if self.texts.entry(*ciphertext).or_insert_with(|| text.clone()) == text {
            return Ok(());
        }
        let text = String::from_utf8_lossy(text);
        let what = format!("the ciphertext of “{text}” ({group}, position {position}) was another text's");
        let should = "A client encrypts each text with a key of its own.";
        Err(Violation::now("restored", what, should))
    }

    /// Notes that a client is to be restored from a copy that was made in the step `since`.
    pub fn goes_back(&mut self, user: &UserId, since: u64, lost: BTreeSet<GroupId>, number: EventNumber) {
        self.shown.retain(|(of, _), shown| of != user || shown.step < since);
        let older = self.older.entry(user.clone()).or_default();
        older.lost.extend(lost);
        older.event = number;
    }

    /// Returns whether a user need not receive what is sent to a group, and cannot follow it.
    pub fn excepts(&self, user: &UserId, group: &GroupId) -> bool {
        self.older.get(user).is_some_and(|older| older.has_said && older.lost.contains(group))
    }

    /// Returns whether a user has gone back to an older copy, so that homeservers may know its client by other
    /// keys than it has.
    pub fn has_gone_back(&self, user: &UserId) -> bool {
        self.older.contains_key(user)
    }

    /// Returns whether a user has gone back to an older copy, and been told so by the client.
    pub fn is_older(&self, user: &UserId) -> bool {
        self.older.get(user).is_some_and(|older| older.has_said)
    }

    /// Returns a violation for each client that was told that it is an older copy and has not said so.
    pub fn unsaid(&self) -> Vec<Violation> {
        let unsaid = self.older.iter().filter(|(_, older)| older.is_told && !older.has_said);
        let violation = |(user, older): (&UserId, &Older)| {
            let what = format!("{user} was restored from an older copy and does not say so");
            let should = "A client whose queue was read further than it knows says that it is an older copy.";
            Violation::since("restored", what, should, older.event)
        };
        unsaid.map(violation).collect()
    }
}

/// Returns the group that a request is to change, or to send to.
fn changed_group(kind: OperationKind, body: &[u8]) -> Option<GroupId> {
    match Request::read(kind, body).ok()? {
        Request::SendMessage(SendMessage { group, .. })
        | Request::AddUsers(AddUsers { group, .. })
        | Request::UpdateClient(UpdateClient { group, .. }) => Some(group.group_id),
        _ => None,
    }
}
