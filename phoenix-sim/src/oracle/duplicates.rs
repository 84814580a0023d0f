//! R1 — no message reaches a member twice.

use std::collections::BTreeMap;

use phoenix_core::{
    client::Event,
    identifiers::{GroupId, UserId},
};

use super::{observation::Observation, violation::Violation};
use crate::schedule::EventNumber;

/// The messages that each member has received so far.
#[derive(Debug, Default)]
pub struct Duplicates {
    positions: BTreeMap<(UserId, GroupId, u64), Arrival>,
    texts: BTreeMap<(UserId, GroupId, Vec<u8>), Arrival>,
    /// How many messages came again.
    pub count: u64,
}

/// When a message was received.
#[derive(Debug, Clone, Copy)]
struct Arrival {
    step: u64,
    event: EventNumber,
}

impl Duplicates {
    /// Notes a message that a client has received.
    ///
    /// # Errors
    /// The client has received its position or its text before.
    pub fn observe(&mut self, observation: &Observation<'_>) -> Result<(), Violation> {
        let Event::Message { group, position, text, .. } = observation.event else { return Ok(()) };
        let user = observation.user_id;
        let arrival = Arrival { step: observation.step, event: observation.number };
        let same_position = self.positions.insert((user.clone(), group.clone(), *position), arrival);
        // No text is sent twice in a world.
        let same_text = self.texts.insert((user.clone(), group.clone(), text.clone()), arrival);
        let Some(earlier) = same_position.or(same_text) else { return Ok(()) };
        self.count += 1;
        let text = String::from_utf8_lossy(text);
        let what = format!("“{text}” ({group}, position {position}) reached {user} again");
        let should = format!("The client of {user} drops what it has shown before.");
        Err(Violation::since("duplicates", what, should, earlier.event))
    }

    /// Forgets the positions of a group from one on: they are given again. No text is shown twice all the same.
    pub fn group_goes_back(&mut self, group: &GroupId, first: u64) {
        self.positions.retain(|(_, of, position), _| of != group || *position < first);
    }

    /// Forgets what has reached a user from the step `since` on.
    pub fn goes_back(&mut self, user: &UserId, since: u64) {
        self.positions.retain(|(of, _, _), arrival| of != user || arrival.step < since);
        self.texts.retain(|(of, _, _), arrival| of != user || arrival.step < since);
    }
}
