//! S1, S2, S3 — no attack of the dishonest homeserver or of malicious clients succeeds. What is answered to them,
//! the world's `attempts` and `malice` check.

use std::collections::BTreeMap;

use phoenix_core::{client::Event, identifiers::GroupId, wire::fan_out::GapReason};

use super::{observation::Observation, violation::Violation};
use crate::{adversary::Intrusion, names, schedule::EventNumber};

/// Deliveries that must not reach a client.
#[derive(Debug, Default)]
pub struct Refused {
    /// By the group that they claim to be from.
    intrusions: BTreeMap<GroupId, Sent>,
}

#[derive(Debug)]
struct Sent {
    /// The index of the user that it is for.
    user: usize,
    /// Whether the user must find a marker, if the frame is accepted. If not, the user must find nothing.
    marker: bool,
    /// The index of the user who has made the group, if one has.
    maker: Option<usize>,
    /// Whether the user has found the marker.
    marked: bool,
    /// Whether the frame was accepted.
    arrived: bool,
    /// The event in which it was sent.
    event: EventNumber,
}

impl Refused {
    /// Notes that a frame with an unauthorised delivery is sent in `event`.
    pub fn intrusion(&mut self, intrusion: &Intrusion, event: EventNumber) {
        let Intrusion { group, user, marker, maker } = intrusion.clone();
        let sent = Sent { user, marker, maker, marked: false, arrived: false, event };
        self.intrusions.entry(group).or_insert(sent);
    }

    /// Notes that the frame in the name of `group` was accepted.
    pub fn arrived(&mut self, group: &GroupId) {
        if let Some(sent) = self.intrusions.get_mut(group) {
            sent.arrived = true;
        }
    }

    /// Notes that a delivery service delivers for a group that a user has made, to these users.
    pub fn delivered(&mut self, group: &GroupId, mut to: impl Iterator<Item = usize>) {
        let misled = to.any(|user| self.misleads(group, user));
        if let Some(sent) = self.intrusions.get_mut(group) {
            sent.arrived |= misled;
        }
    }

    /// Returns whether deliveries for a group that a user has made are led to another `user`.
    pub fn misleads(&self, group: &GroupId, user: usize) -> bool {
        self.intrusions.get(group).is_some_and(|sent| sent.maker.is_some() && sent.user == user)
    }

    /// Checks that an event of a client names no group that an attacker has made up, except in a marker.
    ///
    /// # Errors
    /// The event names one, so the delivery has reached its recipient.
    pub fn observe(&mut self, observation: &Observation<'_>) -> Result<(), Violation> {
        if let Event::Gap { group, reason: GapReason::NotAuthorised, .. } = observation.event
            && let Some(sent) = self.intrusions.get_mut(group)
            && sent.user == observation.user
            && sent.marker
        {
            sent.marked = true;
            return Ok(());
        }
        let text = format!("{:?}", observation.event);
        let concerns = |(group, sent): &(&GroupId, &Sent)| {
            sent.maker != Some(observation.user) && text.contains(&format!("{group:?}"))
        };
        match self.intrusions.iter().find(concerns) {
            Some((_, sent)) => {
                let user = observation.user_id;
                let event = names::client_event(observation.event);
                let what = format!("an unauthorised delivery reached its recipient: {user} {event}");
                let should = format!("The homeserver of {user} keeps the delivery out of the queue.");
                Err(Violation::since("refused", what, should, sent.event))
            }
            None => Ok(()),
        }
    }

    /// Returns a violation for each accepted frame whose marker the client has not found yet.
    pub fn unmarked(&self) -> Vec<Violation> {
        let unmarked = self.intrusions.iter().filter(|(_, sent)| sent.arrived && sent.marker && !sent.marked);
        let violation = |(group, sent): (&GroupId, &Sent)| {
            let what = format!("user {} found no marker for the unauthorised delivery of {group}", sent.user);
            let should = format!("The homeserver of user {} puts a gap marker in its place.", sent.user);
            Violation::since("refused", what, should, sent.event)
        };
        unmarked.map(violation).collect()
    }
}
