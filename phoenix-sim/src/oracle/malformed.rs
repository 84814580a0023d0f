//! S6 — what a member damages in its own group, the other members are told of, and do not take for something
//! else: a message is shown as one that cannot be read, a commit as one that cannot be followed, an invitation is
//! declined. Nothing else suffers, as all other oracles check.

use std::collections::BTreeMap;

use phoenix_core::{
    client::Event,
    identifiers::{GroupId, LogId, QsClientId},
    wire::fan_out::FanOutContent,
};
use sha2::{Digest, Sha256};

use super::{
    misdelivered::Misdelivered,
    observation::Observation,
    rows::{LoggedMessage, Rows},
    violation::Violation,
};
use crate::{
    malice::{Damage, Damaged},
    schedule::EventNumber,
};

/// What was damaged, and who must be told of it.
#[derive(Debug, Default)]
pub struct Malformed {
    /// By the hash of the damaged content: what it is, and the event in which it was made.
    contents: BTreeMap<[u8; 32], (Damage, EventNumber)>,
    due: Vec<Due>,
}

/// That a client must be told of something.
#[derive(Debug)]
struct Due {
    client: QsClientId,
    group: GroupId,
    position: u64,
    damage: Damage,
    event: EventNumber,
    /// Whether it was told.
    told: bool,
}

impl Malformed {
    /// Notes that something is damaged on its way to the delivery service. Returns whether it was not before.
    pub fn made(&mut self, damaged: &Damaged, event: EventNumber) -> bool {
        let hash = Sha256::digest(&damaged.content).into();
        self.contents.insert(hash, (damaged.damage, event)).is_none()
    }

    /// Notes who gets what was damaged, once a delivery service writes it to the log of its group.
    pub fn logged(&mut self, rows: &mut Rows, logged: &LoggedMessage) {
        let LogId::Group(_) = logged.log else { return };
        if self.contents.is_empty() {
            return;
        }
        let message = &logged.message;
        for recipient in &message.recipients {
            let bytes = match message.contents.get(usize::from(recipient.content)) {
                Some(FanOutContent::Message(bytes)) => bytes.as_slice(),
                Some(FanOutContent::Welcome(bundle)) => bundle.welcome.as_slice(),
                _ => continue,
            };
            let hash: [u8; 32] = Sha256::digest(bytes).into();
            let (Some((damage, event)), Some(client)) =
                (self.contents.get(&hash).copied(), rows.client(&recipient.config))
            else {
                continue;
            };
            let group = message.group_id.clone();
            // Who cannot follow a group, or was never in it, is told no more of it.
            let is_out =
                |due: &Due| due.client == client && due.group == group && due.damage != Damage::Message;
            if !self.due.iter().any(is_out) {
                self.due.push(Due { client, group, position: message.position, damage, event, told: false });
            }
        }
    }

    /// Returns whether an event tells a client of what was damaged, as it must.
    ///
    /// # Errors
    /// The client takes something damaged for something else.
    pub fn observe(
        &mut self,
        observation: &Observation<'_>,
        owners: &Misdelivered,
    ) -> Result<bool, Violation> {
        let (group, position, damage) = match observation.event {
            Event::MessageUnreadable { group, position, .. } => (group, Some(*position), Damage::Message),
            Event::CommitUnprocessable { group, position, .. } => (group, Some(*position), Damage::Commit),
            Event::Declined { group, .. } => (group, None, Damage::Welcome),
            Event::Message { group, position, .. } => (group, Some(*position), Damage::Message),
            Event::Joined(group) => (group, None, Damage::Welcome),
            _ => return Ok(false),
        };
        let concerns = |due: &&mut Due| {
            owners.owner(&due.client) == Some(observation.user)
                && due.group == *group
                && due.damage == damage
                && position.is_none_or(|position| due.position == position)
        };
        let Some(due) = self.due.iter_mut().find(concerns) else { return Ok(false) };
        if let Event::Message { .. } | Event::Joined(_) = observation.event {
            let what = format!(
                "{} takes a damaged {damage:?} for a valid one: {:?}",
                observation.user_id, observation.event
            );
            let should = "A client tells its user of what it cannot read, and goes on without it.";
            return Err(Violation::since("malformed", what, should, due.event));
        }
        due.told = true;
        Ok(true)
    }

    /// Returns a violation for each client that was not told, except for users and groups for which `excepts` is
    /// true: an older copy, or a store that was restored or damaged, has lost what was to be told.
    pub fn untold(&self, owners: &Misdelivered, excepts: impl Fn(usize, &GroupId) -> bool) -> Vec<Violation> {
        let untold = self.due.iter().filter(|due| !due.told);
        let violation = |due: &Due| {
            let user = owners.owner(&due.client)?;
            let Due { group, position, damage, event, .. } = due;
            let what =
                format!("user {user} was not told of a damaged {damage:?} at position {position} of {group}");
            let should = format!("The client of user {user} tells of it: nothing is passed over in silence.");
            let violation = Violation::since("malformed", what, should, *event);
            (!excepts(user, group)).then_some(violation)
        };
        untold.filter_map(violation).collect()
    }
}
