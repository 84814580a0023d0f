//! R1 — an acknowledged message reaches every member of its epoch.

use std::collections::{BTreeMap, BTreeSet};

use phoenix_core::{
    client::Event,
    identifiers::{GroupId, UserId},
};

use super::{Observation, Violation, epochs::Epochs, order::Order};
use crate::schedule::EventNumber;

/// What was promised, and what came.
#[derive(Debug, Default)]
pub struct Acknowledged {
    promised: BTreeMap<(GroupId, u64), Promise>,
    received: BTreeSet<(UserId, GroupId, u64)>,
}

#[derive(Debug)]
struct Promise {
    sender: UserId,
    text: Vec<u8>,
    event: EventNumber,
}

impl Acknowledged {
    /// A client has said something.
    ///
    /// # Errors
    /// A message that is not what its sender was told.
    pub fn observe(&mut self, observation: &Observation<'_>) -> Result<(), Violation> {
        match observation.event {
            Event::MessageAcknowledged { group, position, text, .. } => {
                let sender = observation.user_id.clone();
                let promise = Promise { sender, text: text.clone(), event: observation.number };
                match self.promised.insert((group.clone(), *position), promise) {
                    Some(earlier) if earlier.text != *text => {
                        let what =
                            format!("two messages were acknowledged at position {position} of {group}");
                        Err(Violation::now("acknowledged", what))
                    }
                    _ => Ok(()),
                }
            }
            Event::Message { group, position, .. } => {
                self.received.insert((observation.user_id.clone(), group.clone(), *position));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// How many messages were acknowledged.
    pub fn count(&self) -> u64 {
        self.promised.len() as u64
    }

    /// How many messages came, counted for each member.
    pub fn received(&self) -> u64 {
        self.received.len() as u64
    }

    /// How many acknowledged messages there are of which it is not known who was to get them.
    pub fn unchecked(&self, epochs: &Epochs, order: &Order) -> u64 {
        let is_known = |(group, position): &(GroupId, u64)| {
            order.epoch(group, *position).is_some_and(|epoch| !epochs.members(group, epoch).is_empty())
        };
        self.promised.keys().filter(|place| !is_known(place)).count() as u64
    }

    /// The messages that a member of their epoch has not got.
    pub fn missing(&self, epochs: &Epochs, order: &Order) -> Vec<Violation> {
        let of = |((group, position), promise): (&(GroupId, u64), &Promise)| {
            let epoch = order.epoch(group, *position);
            let members = epoch.map_or_else(BTreeSet::new, |epoch| epochs.members(group, epoch));
            let missing = members.into_iter().filter(|member| {
                *member != promise.sender
                    && !self.received.contains(&(member.clone(), group.clone(), *position))
            });
            let text = String::from_utf8_lossy(&promise.text).into_owned();
            let violation = |member| Violation {
                oracle: "acknowledged",
                what: format!("“{text}” ({group}, position {position}, {epoch:?}) never reached {member}"),
                since: Some(promise.event),
            };
            missing.map(violation).collect::<Vec<_>>()
        };
        self.promised.iter().flat_map(of).collect()
    }
}
