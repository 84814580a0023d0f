//! R1 — an acknowledged message reaches every member of its epoch.

use std::collections::{BTreeMap, BTreeSet};

use phoenix_core::{
    client::Event,
    identifiers::{GroupId, UserId},
};

use super::{
    epochs::Epochs, excused::Excused, journeys::Journeys, observation::Observation, order::Order,
    repaired::Repaired, restored::Restored, violation::Violation,
};
use crate::schedule::EventNumber;

/// The messages that were acknowledged, and those that arrived.
#[derive(Debug, Default)]
pub struct Acknowledged {
    /// By group and position.
    acknowledged: BTreeMap<(GroupId, u64), Message>,
    /// By recipient, group and position; in which step of the world.
    received: BTreeMap<(UserId, GroupId, u64), u64>,
    /// The texts that each recipient has received; in which step of the world. A message that was ordered twice,
    /// because its sender could not know, is shown once, and need not be at the position that was acknowledged.
    texts: BTreeMap<(UserId, GroupId, Vec<u8>), u64>,
    /// The groups in which an attacker damages what is sent.
    damaged: BTreeSet<GroupId>,
}

#[derive(Debug)]
struct Message {
    sender: UserId,
    text: Vec<u8>,
    event: EventNumber,
    /// In which step of the world it was acknowledged.
    step: u64,
}

impl Acknowledged {
    /// Notes an acknowledgement or an arrival.
    ///
    /// # Errors
    /// Two messages were acknowledged at one position.
    pub fn observe(&mut self, observation: &Observation<'_>) -> Result<(), Violation> {
        let user = observation.user_id;
        if let Event::Message { group, position, text, .. } = observation.event {
            self.texts.entry((user.clone(), group.clone(), text.clone())).or_insert(observation.step);
            let name = (user.clone(), group.clone(), *position);
            self.received.entry(name).or_insert(observation.step);
        }
        let Event::MessageAcknowledged { group, position, text, .. } = observation.event else {
            return Ok(());
        };
        if self.damaged.contains(group) {
            return Ok(());
        }
        let (event, step) = (observation.number, observation.step);
        let message = Message { sender: user.clone(), text: text.clone(), event, step };
        let earlier = self.acknowledged.insert((group.clone(), *position), message);
        if earlier.is_some_and(|earlier| earlier.text != *text) {
            let what = format!("two messages were acknowledged at position {position} of {group}");
            let should = "The delivery service gives each position of a group to one message.";
            return Err(Violation::now("acknowledged", what, should));
        }
        Ok(())
    }

    /// Excepts a group, in which an attacker damages what is sent.
    pub fn except(&mut self, group: GroupId) {
        self.damaged.insert(group);
    }

    /// Forgets what has reached a user from the step `since` on.
    pub fn goes_back(&mut self, user: &UserId, since: u64) {
        self.received.retain(|(of, _, _), step| of != user || *step < since);
        self.texts.retain(|(of, _, _), step| of != user || *step < since);
    }

    /// Forgets the messages of a group from a position on: its order has lost them.
    pub fn group_goes_back(&mut self, group: &GroupId, first: u64) {
        self.acknowledged.retain(|(of, position), _| of != group || *position < first);
        self.received.retain(|(_, of, position), _| of != group || *position < first);
    }

    /// Returns how many messages were acknowledged.
    pub fn count(&self) -> u64 {
        self.acknowledged.len() as u64
    }

    /// Returns how many messages arrived, each counted once for each member.
    pub fn received(&self) -> u64 {
        self.received.len() as u64
    }

    /// Returns how many acknowledged messages cannot be checked, because the members of their epoch are not
    /// known.
    pub fn unchecked(&self, epochs: &Epochs, order: &Order) -> u64 {
        let is_known = |(group, position): &(GroupId, u64)| {
            order.epoch(group, *position).is_some_and(|epoch| !epochs.members(group, epoch).is_empty())
        };
        self.acknowledged.keys().filter(|name| !is_known(name)).count() as u64
    }

    /// Returns a violation for each acknowledged message and member of its epoch that it has not reached,
    /// except for members whom `excepts` excepts; `journeys` says how far it came.
    pub fn missing(
        &self,
        epochs: &Epochs,
        order: &Order,
        excepts: (&Restored, &Repaired, &Excused),
        journeys: &Journeys,
    ) -> Vec<Violation> {
        let (restored, repaired, excused) = excepts;
        let of = |((group, position), message): (&(GroupId, u64), &Message)| {
            let epoch = order.epoch(group, *position);
            let members = epoch.map_or_else(BTreeSet::new, |epoch| epochs.members(group, epoch));
            let missing = members.into_iter().filter(|member| {
                *member != message.sender
                    && !restored.excepts(member, group)
                    && !repaired.excuses(member, group, *position, &message.text, message.step)
                    && !excused.excepts(member, group, *position)
                    && !self.received.contains_key(&(member.clone(), group.clone(), *position))
                    && !self.texts.contains_key(&(member.clone(), group.clone(), message.text.clone()))
            });
            let text = String::from_utf8_lossy(&message.text).into_owned();
            let epoch = epoch.unwrap_or_default();
            let violation = |member| {
                let journey = journeys.of(group, *position, &member);
                Violation {
                    oracle: "acknowledged",
                    what: format!(
                        "“{text}” ({group}, position {position}, epoch {epoch}) never reached {member}"
                    ),
                    since: Some(journey.last_event().unwrap_or(message.event)),
                    should: journey.should,
                    journey: journey.stages,
                }
            };
            missing.map(violation).collect::<Vec<_>>()
        };
        self.acknowledged.iter().flat_map(of).collect()
    }
}
