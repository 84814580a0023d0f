//! S1, S2 — what a dishonest homeserver tries comes to nothing.

use std::collections::BTreeMap;

use phoenix_core::{client::Event, identifiers::GroupId, wire::fan_out::GapReason};

use super::{Observation, Violation};
use crate::{adversary::Intrusion, schedule::EventNumber};

/// Deliveries that no client must get, and what became of them.
#[derive(Debug, Default)]
pub struct Refused {
    intruders: BTreeMap<GroupId, Intruder>,
}

#[derive(Debug)]
struct Intruder {
    /// Whose queue it is aimed at.
    user: usize,
    /// A marker must show that it was refused; else nothing may come of it at all.
    marker: bool,
    marked: bool,
    /// The frame was accepted, so the marker must come.
    arrived: bool,
    event: EventNumber,
}

impl Refused {
    /// A frame is sent that carries something for a client that has not authorised it.
    pub fn intrusion(&mut self, intrusion: &Intrusion, event: EventNumber) {
        let Intrusion { group, user, marker } = intrusion.clone();
        self.intruders.insert(group, Intruder { user, marker, marked: false, arrived: false, event });
    }

    /// The frame that carried something in the name of `group` was accepted.
    pub fn arrived(&mut self, group: &GroupId) {
        if let Some(intruder) = self.intruders.get_mut(group) {
            intruder.arrived = true;
        }
    }

    /// A client has said something.
    ///
    /// # Errors
    /// If it is about a group that only an attacker knows of.
    pub fn observe(&mut self, observation: &Observation<'_>) -> Result<(), Violation> {
        if let Event::Gap { group, reason: GapReason::NotAuthorised, .. } = observation.event
            && let Some(intruder) = self.intruders.get_mut(group)
            && intruder.user == observation.user
            && intruder.marker
        {
            intruder.marked = true;
            return Ok(());
        }
        let text = format!("{:?}", observation.event);
        match self.intruders.iter().find(|(group, _)| text.contains(&format!("{group:?}"))) {
            Some((_, intruder)) => Err(Violation {
                oracle: "refused",
                what: format!("an unauthorised delivery came through: {text}"),
                since: Some(intruder.event),
            }),
            None => Ok(()),
        }
    }

    /// Intrusions of which the client aimed at has found no marker.
    pub fn unmarked(&self) -> Vec<Violation> {
        let unmarked = self.intruders.iter().filter(|(_, of)| of.arrived && of.marker && !of.marked);
        let violation = |(group, intruder): (&GroupId, &Intruder)| Violation {
            oracle: "refused",
            what: format!("user {} found no marker that {group} is not authorised", intruder.user),
            since: Some(intruder.event),
        };
        unmarked.map(violation).collect()
    }
}
