//! What members need not receive any more: where a bound of the plan was met, a client is told that deliveries
//! of a group are missing, and cannot follow the group any further.
//!
//! Only what was ordered behind the last message that the client has received is excused: what came before has
//! arrived already, for a queue keeps the order of its groups.

use std::collections::{BTreeMap, BTreeSet};

use phoenix_core::{
    client::{ClientError, Event},
    identifiers::{Domain, GroupId, UserId},
};

use super::{observation::Observation, order::Order};
use crate::plan::Leniency;

/// From where on members need not receive what is sent to a group.
#[derive(Debug, Default)]
pub struct Excused {
    /// What clients may be told.
    pub permitted: Leniency,
    /// The first position that is excused.
    from: BTreeMap<(UserId, GroupId), u64>,
    /// The users whose clients cannot follow the group of some connection, and so have no contact of it.
    unconnected: BTreeSet<UserId>,
    /// From which homeserver to which one entries were forgotten, with whom to tell: far too many waited.
    forgotten: BTreeSet<(Domain, Domain)>,
}

impl Excused {
    /// Takes in what a client is told. Returns the group that it cannot follow any more, if that is permitted.
    pub fn observe<'a>(&mut self, observation: &Observation<'a>, order: &Order) -> Option<&'a GroupId> {
        let user = observation.user_id;
        let group = match observation.event {
            Event::Gap { group, reason, .. } if self.permitted.permits_gap(*reason) => {
                if observation.groups.iter().any(|view| view.connection && view.group_id == *group) {
                    self.unconnected.insert(user.clone());
                }
                group
            }
            Event::Declined { group, reason: ClientError::NotAContact(_) }
                if self.unconnected.contains(user) =>
            {
                group
            }
            Event::Missing { group, .. } if self.permitted.permits_missing() => group,
            Event::Declined { group, .. } | Event::CommitUnprocessable { group, .. }
                if self.permitted.permits_declining() =>
            {
                group
            }
            _ => return None,
        };
        let from = order.last_seen(user, group).map_or(0, |last| last + 1);
        self.from.entry((user.clone(), group.clone())).or_insert(from);
        Some(group)
    }

    /// Notes that a homeserver has forgotten entries that waited for another one.
    pub fn forgets(&mut self, from: Domain, to: Domain) {
        self.forgotten.insert((from, to));
    }

    /// Returns whether a member need not receive the message at a position of a group.
    pub fn excepts(&self, user: &UserId, group: &GroupId, position: u64) -> bool {
        self.is_forgotten(user, group)
            || self.from.get(&(user.clone(), group.clone())).is_some_and(|from| *from <= position)
    }

    /// Returns whether a member cannot follow a group any further.
    pub fn has_lost(&self, user: &UserId, group: &GroupId) -> bool {
        self.is_forgotten(user, group) || self.from.contains_key(&(user.clone(), group.clone()))
    }

    fn is_forgotten(&self, user: &UserId, group: &GroupId) -> bool {
        self.forgotten.contains(&(group.domain.clone(), user.domain.clone()))
    }
}
