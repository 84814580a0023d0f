//! What becomes impossible for users who cannot follow a group any more is given up: tried all the same, but it
//! need not succeed.

use std::collections::BTreeSet;

use phoenix_core::identifiers::GroupId;

use super::state::World;
use crate::plan::{Action, GroupNumber, Intent};

/// A user, by its index, who is not in a group, or not any more.
type Outsider = (GroupNumber, usize);

impl World {
    /// Gives up what is impossible for a user who goes back to an older copy: everything in the groups that
    /// exist, and to be invited to one.
    pub(super) fn give_up_existing(&mut self, user: usize) {
        let invited = self.wanted_invitations().filter(|(_, other)| *other == user);
        let existing = self.groups.keys().map(|group| (*group, user));
        self.give_up(&invited.chain(existing).collect());
    }

    /// Gives up what is impossible for a user who cannot follow a group any more.
    pub(super) fn give_up_group(&mut self, user: usize, lost: &GroupId) {
        let number = self.groups.iter().find(|(_, group)| *group == lost).map(|(number, _)| *number);
        if let Some(number) = number {
            return self.give_up(&BTreeSet::from([(number, user)]));
        }
        // The group of a connection: which one, is not known here.
        let intents = self.plan.intents.iter().enumerate();
        let connects = intents.filter_map(|(number, Intent { user: by, action, .. })| {
            let concerns = matches!(action, Action::Connect { other } if user == *other || user == *by);
            concerns.then_some(number)
        });
        let connects: Vec<usize> = connects.filter(|number| self.is_wanted(*number)).collect();
        self.given_up.extend(connects);
        let by_user = |number: &(usize, &Intent)| number.1.user == user && self.is_wanted(number.0);
        let invites = self.plan.intents.iter().enumerate().filter(by_user);
        let unmet = invites.filter_map(|(_, intent)| match intent.action {
            Action::Invite { group, other } => Some((group, other)),
            _ => None,
        });
        let invited = self.wanted_invitations().filter(|(_, other)| *other == user);
        self.give_up(&unmet.chain(invited).collect());
    }

    /// Returns who is to be invited to which group.
    fn wanted_invitations(&self) -> impl Iterator<Item = Outsider> {
        let wanted = self.plan.intents.iter().enumerate().filter(|(number, _)| self.is_wanted(*number));
        wanted.filter_map(|(_, intent)| match intent.action {
            Action::Invite { group, other } => Some((group, other)),
            _ => None,
        })
    }

    /// Gives up what these want in their groups, that they are invited there, and all of that for those whom
    /// they alone could invite.
    fn give_up(&mut self, outsiders: &BTreeSet<Outsider>) {
        let mut outsiders = outsiders.clone();
        for (number, intent) in self.plan.intents.iter().enumerate() {
            if let Action::Invite { group, other } = intent.action
                && outsiders.contains(&(group, intent.user))
                && self.is_wanted(number)
            {
                outsiders.insert((group, other));
            }
        }
        for (number, Intent { user, action, .. }) in self.plan.intents.iter().enumerate() {
            let is_outside =
                |user: usize| action.group().is_some_and(|group| outsiders.contains(&(group, user)));
            let invites = matches!(action, Action::Invite { other, .. } if is_outside(*other));
            if (is_outside(*user) || invites) && self.is_wanted(number) {
                self.given_up.insert(number);
            }
        }
    }
}
