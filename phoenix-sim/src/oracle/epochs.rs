//! R2 — all members that have processed an epoch hold the same secret and agree on its members.

use std::collections::{BTreeMap, BTreeSet};

use phoenix_core::{
    client::Event,
    identifiers::{GroupId, UserId},
};

use super::{observation::Observation, repaired::Repaired, violation::Violation};
use crate::schedule::EventNumber;

/// Every epoch that a member has been in.
#[derive(Debug, Default)]
pub struct Epochs {
    /// By group and number.
    epochs: BTreeMap<(GroupId, u64), Epoch>,
    /// How many commits members have processed, each counted once for each member.
    pub changes: u64,
}

#[derive(Debug)]
struct Epoch {
    authenticator: Vec<u8>,
    members: Option<BTreeSet<UserId>>,
    /// The event in which the first member was seen in the epoch, and the step of the world.
    event: EventNumber,
    step: u64,
}

impl Epochs {
    /// Compares the epochs that a client is in with those of others, except for groups that `repaired` excepts.
    ///
    /// # Errors
    /// Two members of one epoch hold different secrets or see different members.
    pub fn observe(&mut self, observation: &Observation<'_>, repaired: &Repaired) -> Result<(), Violation> {
        if let Event::EpochChanged { group, epoch, authenticator } = observation.event
            && !repaired.is_stuck(group)
        {
            self.changes += 1;
            self.compare(observation, group, *epoch, authenticator, None)?;
        }
        for view in observation.groups.iter().filter(|view| !repaired.is_stuck(&view.group_id)) {
            let members: BTreeSet<UserId> = view.members.iter().cloned().collect();
            let authenticator = &view.epoch_authenticator;
            self.compare(observation, &view.group_id, view.epoch, authenticator, Some(members))?;
        }
        Ok(())
    }

    fn compare(
        &mut self,
        observation: &Observation<'_>,
        group: &GroupId,
        epoch: u64,
        authenticator: &[u8],
        members: Option<BTreeSet<UserId>>,
    ) -> Result<(), Violation> {
        let (event, step) = (observation.number, observation.step);
        let seen = Epoch { authenticator: authenticator.to_vec(), members: members.clone(), event, step };
        let known = self.epochs.entry((group.clone(), epoch)).or_insert(seen);
        let differs = |what: &str, known: &Epoch| {
            let user = observation.user_id;
            let what =
                format!("{user} has {what} in epoch {epoch} of {group} than the first member seen in it");
            let should =
                "Members enter an epoch by the same commit, and so with the same secret and members.";
            Err(Violation::since("epochs", what, should, known.event))
        };
        if known.authenticator != authenticator {
            return differs("another secret", known);
        }
        if known.members.is_some() && members.is_some() && known.members != members {
            return differs("other members", known);
        }
        if known.members.is_none() {
            known.members = members;
        }
        Ok(())
    }

    /// Returns in which step of the world the first member was seen in an epoch.
    pub fn began(&self, group: &GroupId, epoch: u64) -> Option<u64> {
        self.epochs.get(&(group.clone(), epoch)).map(|epoch| epoch.step)
    }

    /// Returns the members of an epoch as far as they are known: those of the last epoch up to it that some
    /// client has reported. In generated worlds no member leaves, so these are members of `epoch` too.
    pub fn members(&self, group: &GroupId, epoch: u64) -> BTreeSet<UserId> {
        let until = self.epochs.range((group.clone(), 0)..=(group.clone(), epoch));
        until.rev().find_map(|(_, epoch)| epoch.members.clone()).unwrap_or_default()
    }
}
