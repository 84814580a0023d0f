//! R1 — nothing reaches a member twice.

use std::collections::BTreeMap;

use phoenix_core::{
    client::Event,
    identifiers::{GroupId, UserId},
};

use super::{Observation, Violation};
use crate::schedule::EventNumber;

/// What each member has got so far.
#[derive(Debug, Default)]
pub struct Duplicates {
    positions: BTreeMap<(UserId, GroupId, u64), EventNumber>,
    texts: BTreeMap<(UserId, GroupId, Vec<u8>), EventNumber>,
    /// How often something came again.
    pub count: u64,
}

impl Duplicates {
    /// A client has said something.
    ///
    /// # Errors
    /// A message that the client has got before.
    pub fn observe(&mut self, observation: &Observation<'_>) -> Result<(), Violation> {
        let Event::Message { group, position, text, .. } = observation.event else { return Ok(()) };
        let user = observation.user_id;
        let number = observation.number;
        let same_position = self.positions.insert((user.clone(), group.clone(), *position), number);
        // Texts are written once in a world.
        let same_text = self.texts.insert((user.clone(), group.clone(), text.clone()), number);
        let Some(earlier) = same_position.or(same_text) else { return Ok(()) };
        self.count += 1;
        let text = String::from_utf8_lossy(text);
        Err(Violation {
            oracle: "duplicates",
            what: format!("“{text}” ({group}, position {position}) reached {user} again"),
            since: Some(earlier),
        })
    }
}
