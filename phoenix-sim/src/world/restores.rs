//! Stores that are restored from a backup, and what becomes impossible for users by it.

use std::{collections::BTreeSet, time::Duration};

use phoenix_core::{client::Client, identifiers::GroupId};

use super::{event::Event, stage::Stage, state::World};
use crate::{
    oracle::{Oracles, Reader},
    plan::{Action, Intent},
    user::User,
};

/// How soon the copy of a store is tried again that cannot be made yet.
const COPY_AGAIN: Duration = Duration::from_secs(1);

impl World {
    /// Makes a copy of the store of a homeserver, once all its users are registered.
    pub(super) fn copy_store(&mut self, server: usize, fault: usize) {
        let is_missing = |user: &User| user.server == server && !user.is_registered;
        if self.users.iter().any(is_missing) {
            self.after(COPY_AGAIN, Event::Mishap { fault, stage: Stage::Prepares });
            return;
        }
        let place = &mut self.servers[server];
        place.journal.sync();
        place.copies.insert(fault, place.disk.rows.clone());
        self.trace.note(format!("a copy of the store of homeserver {server} is made"));
        self.trace.tells();
        self.oracles.store_copied(fault, &place.domain, self.trace.count());
    }

    /// Stops all processes of a homeserver and puts the copy that was made for the fault in the place of its
    /// store.
    pub(super) fn restore_store(&mut self, server: usize, fault: usize, lasts: Duration) {
        let Some(copy) = self.servers[server].copies.remove(&fault) else { return };
        self.report.fault("stores restored");
        self.trace.note(format!("the store of homeserver {server} is restored from its copy"));
        self.trace.tells();
        for machine in self.servers[server].machines.clone() {
            let place = &mut self.machines[machine];
            place.cut_off = place.start;
            self.crash(server, self.machines[machine].number, lasts);
        }
        let place = &mut self.servers[server];
        place.journal.sync();
        let lost = std::mem::replace(&mut place.disk.rows, copy);
        let (step, number) = (self.trace.count(), self.trace.current());
        let readers = self.users.iter().filter(|user| user.server == server).map(|user| Reader {
            user: user.id.clone(),
            queue: user.client.as_ref().and_then(Client::qs_client),
            read: user.saved_entries,
        });
        let readers: Vec<Reader> = readers.collect();
        let rows = (&lost, &place.disk.rows);
        self.oracles.store_restored(fault, (server, &place.domain), rows, &readers, (step, number));
        self.connect_again();
    }

    /// Has users connect again who are no contacts: what was to connect them may be lost.
    pub(super) fn connect_again(&mut self) {
        for number in 0..self.plan.intents.len() {
            let intent = &self.plan.intents[number];
            let Action::Connect { other } = intent.action else { continue };
            let contacts = self.users[intent.user].client.as_ref().map(Client::contacts);
            let is_known = contacts.is_some_and(|contacts| contacts.contains(&self.users[other].id));
            let has_left = self.users[intent.user].has_left || self.users[other].has_left;
            if !is_known && !has_left && self.finished.remove(&number).is_some() {
                self.try_again(number);
            }
        }
    }

    /// Gives up what users cannot have any more since a store was restored.
    pub(super) fn give_up_what_is_lost(&mut self) {
        let mut without = BTreeSet::new();
        for (number, intent) in self.plan.intents.iter().enumerate() {
            let group = intent.action.group().and_then(|number| self.groups.get(&number));
            let Some(group) = group.filter(|_| self.is_wanted(number)) else { continue };
            let of_other = match intent.action {
                Action::Invite { other, .. } => self.is_lost_to(other, group),
                _ => false,
            };
            if of_other || self.is_lost_to(intent.user, group) {
                without.insert(number);
            }
        }
        self.given_up.extend(without);
        self.give_up_of_uninvited();
    }

    /// Gives up what is wanted by those whose invitation is given up.
    fn give_up_of_uninvited(&mut self) {
        let invited = |number: &usize| match self.plan.intents[*number].action {
            Action::Invite { group, other } => Some((group, other)),
            _ => None,
        };
        let uninvited: BTreeSet<_> = self.given_up.iter().filter_map(invited).collect();
        let intents = self.plan.intents.iter().enumerate();
        let theirs = intents.filter(|(_, Intent { user, action, .. })| {
            action.group().is_some_and(|group| uninvited.contains(&(group, *user)))
        });
        let theirs: Vec<usize> = theirs.map(|(number, _)| number).collect();
        self.given_up.extend(theirs.into_iter().filter(|number| self.is_wanted(*number)).collect::<Vec<_>>());
    }

    /// Returns whether a group is lost to a user since a store was restored: nothing need work there, the user
    /// was told so, or the commit that ended the user's epoch was lost with the queue.
    pub(super) fn is_lost_to(&self, user: usize, group: &GroupId) -> bool {
        let Oracles { repaired, epochs, .. } = &self.oracles;
        let User { id, client, .. } = &self.users[user];
        let views = client.as_ref().map_or_else(Vec::new, Client::groups);
        let view = views.iter().find(|view| view.group_id == *group);
        let ended = view.and_then(|view| epochs.began(group, view.epoch + 1));
        let until = repaired.commits_lost_until(id, group);
        let is_behind = ended.is_some_and(|ended| until.is_some_and(|until| ended <= until));
        repaired.excepts(id, group) || is_behind
    }
}
