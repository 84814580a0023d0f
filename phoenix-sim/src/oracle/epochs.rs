//! R2 — all members that have processed the same epoch hold the same secret, and agree on who is a member.

use std::collections::{BTreeMap, BTreeSet};

use phoenix_core::{
    client::Event,
    identifiers::{GroupId, UserId},
};

use super::{Observation, Violation};
use crate::schedule::EventNumber;

/// Every epoch that some member has been in.
#[derive(Debug, Default)]
pub struct Epochs {
    epochs: BTreeMap<(GroupId, u64), Epoch>,
    /// How often members went from one epoch to the next.
    pub changes: u64,
}

#[derive(Debug)]
struct Epoch {
    authenticator: Vec<u8>,
    members: Option<BTreeSet<UserId>>,
    event: EventNumber,
}

impl Epochs {
    /// A client has said something: its groups may be in new epochs.
    ///
    /// # Errors
    /// An epoch of which members hold different secrets, or see different members.
    pub fn observe(&mut self, observation: &Observation<'_>) -> Result<(), Violation> {
        if let Event::EpochChanged { group, epoch, authenticator } = observation.event {
            self.changes += 1;
            self.compare(observation, (group, *epoch), authenticator, None)?;
        }
        for view in observation.groups {
            let members: BTreeSet<UserId> = view.members.iter().cloned().collect();
            let epoch = (&view.group_id, view.epoch);
            self.compare(observation, epoch, &view.epoch_authenticator, Some(members))?;
        }
        Ok(())
    }

    fn compare(
        &mut self,
        observation: &Observation<'_>,
        (group, epoch): (&GroupId, u64),
        authenticator: &[u8],
        members: Option<BTreeSet<UserId>>,
    ) -> Result<(), Violation> {
        let event = observation.number;
        let seen = Epoch { authenticator: authenticator.to_vec(), members: members.clone(), event };
        let known = self.epochs.entry((group.clone(), epoch)).or_insert(seen);
        let differs = |what: &str, known: &Epoch| {
            let user = observation.user_id;
            let what = format!("{user} has {what} in epoch {epoch} of {group} than the first who was in it");
            Err(Violation { oracle: "epochs", what, since: Some(known.event) })
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

    /// Who was a member in this epoch, as far as anybody has seen: those of the last epoch before it of which
    /// the members are known. Nobody leaves, in the worlds that are made.
    pub fn members(&self, group: &GroupId, epoch: u64) -> BTreeSet<UserId> {
        let until = self.epochs.range((group.clone(), 0)..=(group.clone(), epoch));
        until.rev().find_map(|(_, epoch)| epoch.members.clone()).unwrap_or_default()
    }
}
