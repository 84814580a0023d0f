//! How far a message came, in words: the stages that were reached, and who had to act next.

use std::num::NonZeroU64;

use phoenix_core::{
    client::Event,
    identifiers::{Domain, GroupId, QsClientId, UserId},
};

use super::state::{Entry, Journey, Journeys, Moment, Ordered};
use crate::{
    oracle::{
        observation::Observation,
        violation::{Stage, Violation},
    },
    schedule::EventNumber,
};

/// How far a message came to a member, in words.
pub struct Told {
    /// The stages, in their order: those that were reached, and the first one that was not.
    pub stages: Vec<Stage>,
    /// What should have happened next, and who had to act.
    pub should: String,
}

impl Journeys {
    /// Returns how far the message at a position of a group came to a user.
    pub fn of(&self, group: &GroupId, position: u64, user: &UserId) -> Told {
        let ours = &group.domain;
        let ordered = self.messages.get(&(group.clone(), position));
        let mut way = Way::default();
        let should = format!("{ours} commits the message to the log of {group} before it acknowledges it.");
        way.stage(format!("ordered by {ours}"), ordered.and_then(|ordered| ordered.event), should);
        match ordered.and_then(|ordered| self.journey(*ordered, user)) {
            Some(journey) => journey.stages(&mut way, ours, user),
            None => {
                let should = format!("{ours} orders the message for {user} too, who is a member.");
                way.stage(format!("meant for {user} too"), None, should);
            }
        }
        way.told()
    }

    fn journey(&self, message: Ordered, user: &UserId) -> Option<Journey> {
        let queues = self.queues.get(user).into_iter().flatten();
        queues.filter_map(|queue| self.journeys.get(&(message.number, *queue)).copied()).next()
    }

    /// Adds to a violation by a message that a client shows how far the message came.
    pub fn explain(&self, mut violation: Violation, observation: &Observation<'_>) -> Violation {
        if let Event::Message { group, position, .. } = observation.event {
            violation.journey = self.of(group, *position, observation.user_id).stages;
        }
        violation
    }

    /// Adds to a violation by a queue that lacks an entry which message it lacks, and how far that came.
    pub fn explain_missing(&self, violation: Violation, queue: QsClientId) -> Violation {
        let lacks = |journey: &Journey| journey.entered.is_none();
        let explained = self.explain_first(violation.clone(), queue, lacks, |violation, told| Violation {
            since: told.last_event(),
            should: told.should,
            ..violation
        });
        explained.unwrap_or(violation)
    }

    /// Adds to a violation by a queue that has an entry twice which message it has twice.
    pub fn explain_twice(&self, violation: Violation, queue: QsClientId) -> Violation {
        let first = |journey: &Journey| journey.entered_again.and(journey.entered).is_some();
        let explained = self.explain_first(violation.clone(), queue, first, |violation, told| {
            let entered = told.stages.iter().find(|stage| stage.what.starts_with("entered"));
            Violation { since: entered.and_then(|stage| stage.event), ..violation }
        });
        explained.unwrap_or(violation)
    }

    /// Adds the first journey to a queue that is such a one.
    fn explain_first(
        &self,
        violation: Violation,
        queue: QsClientId,
        is_one: impl Fn(&Journey) -> bool,
        add: impl Fn(Violation, Told) -> Violation,
    ) -> Option<Violation> {
        let user = self.queues.iter().find(|(_, queues)| queues.contains(&queue))?.0;
        let mut journeys = self.journeys.iter().filter(|((_, to), journey)| *to == queue && is_one(journey));
        let ((number, _), _) = journeys.next()?;
        let ((group, position), _) = self.messages.iter().find(|(_, ordered)| ordered.number == *number)?;
        let told = self.of(group, *position, user);
        let what = format!("{}; look at position {position} of {group}", violation.what);
        let journey = told.stages.clone();
        Some(add(Violation { what, journey, ..violation }, told))
    }
}

impl Journey {
    /// Tells the stages on the way from the homeserver `ours`, which owns the group, to a user.
    fn stages(&self, way: &mut Way, ours: &Domain, user: &UserId) {
        let theirs = &user.domain;
        if ours != theirs {
            let should = format!("The distributor of {ours} puts it into the stream to {theirs}.");
            way.stage(format!("put into the stream to {theirs}"), self.put_into_stream, should);
            let should = format!("{ours} delivers its stream to {theirs}, which accepts it into a log.");
            way.stage(format!("carried to {theirs}"), self.carried, should);
        }
        let entry = self.entered.map_or_else(String::new, |entry| format!(" as entry {}", entry.sequence));
        if self.left_out.is_some() {
            way.stage(format!("passed by the distributor of {theirs}"), self.left_out, String::new());
        }
        let should = format!("The distributor of {theirs} enters it into the queue of {user}.");
        let entered = self.entered.and_then(|entry| entry.event);
        way.stage(format!("entered into the queue of {user}{entry}"), entered, should);
        if let Some(Entry { sequence, event }) = self.entered_again {
            way.stage(format!("entered once more, as entry {sequence}"), event, String::new());
        }
        let should =
            format!("The client of {user} reads on in its queue, and {theirs} returns the message{entry}.");
        way.stage(format!("returned to the client of {user}"), self.returned, should);
        let should = format!("The client of {user} shows the message, which was returned to it{entry}.");
        way.stage(format!("shown to {user}"), self.shown, should);
    }
}

impl Told {
    /// Returns the event of the last stage that was reached.
    pub fn last_event(&self) -> Option<EventNumber> {
        self.stages.iter().rev().find_map(|stage| stage.event)
    }
}

/// The stages of a journey while they are told.
#[derive(Default)]
struct Way {
    stages: Vec<(Stage, String)>,
}

impl Way {
    /// Adds a stage, and what should happen for it to be reached.
    fn stage(&mut self, what: String, event: Moment, should: String) {
        self.stages.push((Stage { what, event: event.map(NonZeroU64::get) }, should));
    }

    /// Returns all stages up to the first one that was not reached, nor any after it.
    fn told(mut self) -> Told {
        let last = self.stages.iter().rposition(|(stage, _)| stage.event.is_some());
        let next = last.map_or(0, |last| last + 1);
        let should = self.stages.get(next).map_or_else(
            || "The client shows the message again, if it went back to an older copy since.".to_owned(),
            |(_, should)| should.clone(),
        );
        self.stages.truncate(next + 1);
        let is_told =
            |(index, (stage, _)): &(usize, (Stage, String))| stage.event.is_some() || *index == next;
        let told = self.stages.into_iter().enumerate().filter(is_told);
        Told { stages: told.map(|(_, (stage, _))| stage).collect(), should }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use phoenix_core::identifiers::{GroupUuid, UserUuid};

    use super::*;

    const QUEUE: QsClientId = QsClientId([3; 16]);

    fn group() -> GroupId {
        GroupId { uuid: GroupUuid([1; 16]), domain: "a.example".parse().unwrap() }
    }

    fn user(domain: &str) -> UserId {
        UserId { uuid: UserUuid([2; 16]), domain: domain.parse().unwrap() }
    }

    /// Returns what is told of a journey to a member at another homeserver.
    fn told(journey: Option<Journey>) -> Told {
        let (mut journeys, user) = (Journeys::default(), user("b.example"));
        journeys.owns(&user, QUEUE);
        journeys.messages.insert((group(), 7), Ordered { number: 0, event: NonZeroU64::new(1) });
        if let Some(journey) = journey {
            journeys.journeys.insert((0, QUEUE), journey);
        }
        journeys.of(&group(), 7, &user)
    }

    #[test]
    fn what_was_not_reached_is_told_with_who_had_to_act() {
        let event = NonZeroU64::new;
        let mut journey = Journey::default();
        let mut expect = |change: &dyn Fn(&mut Journey), should: &str, stages: usize| {
            change(&mut journey);
            let told = told(Some(journey));
            assert!(told.should.contains(should), "{}", told.should);
            assert_eq!(told.stages.len(), stages, "{:?}", told.stages);
            assert_eq!(told.stages.iter().filter(|stage| stage.event.is_none()).count(), 1);
        };
        expect(&|_| {}, "distributor of a.example puts it into the stream to b.example", 2);
        expect(&|j| j.put_into_stream = event(2), "a.example delivers its stream to b.example", 3);
        expect(&|j| j.carried = event(3), "distributor of b.example enters it into the queue", 4);
        expect(
            &|j| j.entered = Some(Entry { sequence: 9, event: event(4) }),
            "returns the message as entry 9",
            5,
        );
        expect(&|j| j.returned = event(5), "shows the message, which was returned to it as entry 9", 6);
        journey.shown = event(6);
        assert_eq!(told(Some(journey)).last_event(), Some(6));
    }

    #[test]
    fn a_message_that_was_not_ordered_or_not_for_a_member_is_told_as_such() {
        let told = told(None);
        assert_eq!((told.stages.len(), told.last_event()), (2, Some(1)));
        assert!(told.should.contains("orders the message for"), "{}", told.should);
        let told = Journeys::default().of(&group(), 7, &user("a.example"));
        assert_eq!((told.stages.len(), told.last_event()), (1, None));
        assert!(told.should.contains("before it acknowledges it"), "{}", told.should);
    }

    #[test]
    fn a_stage_is_not_told_that_was_passed_unseen() {
        let told = told(Some(Journey { carried: NonZeroU64::new(3), ..Journey::default() }));
        let stages: Vec<&str> = told.stages.iter().map(|stage| stage.what.as_str()).collect();
        assert_eq!(stages.len(), 3, "{stages:?}");
        assert_eq!(stages[1], "carried to b.example");
    }
}
