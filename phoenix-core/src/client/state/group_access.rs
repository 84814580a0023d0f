//! PROTOCOL.md §11.1, §11.8 — what the client asks of its groups, and how it enters, follows and leaves them.

use std::{collections::BTreeMap, ops::RangeInclusive};

use openmls::prelude::MlsGroup;
use openmls_traits::OpenMlsProvider;

use super::{
    account::Identity,
    groups::{Awaited, Connection, Group, Member, Membership, Progress, Standing},
    intents::Want,
    root::State,
};
use crate::{
    client::{
        error::ClientError,
        event::{Event, GroupView},
        messages::leaf_credential,
    },
    codec::{Flag, List, encode},
    identifiers::{GroupId, LeafIdentity, RequestId, UserId},
    wire::{delivery_service::GroupAccess, envelope::Sender},
};

/// For how many epochs after it has left a member is remembered: for as many, its messages can be decrypted.
const FORMER_EPOCHS: u64 = 5;

impl State {
    pub fn group(&self, id: &GroupId) -> Result<&Group, ClientError> {
        self.groups.get(id).ok_or(ClientError::UnknownGroup)
    }

    /// Returns the MLS state of a group, to be read.
    pub fn mls(&self, id: &GroupId) -> Result<&MlsGroup, ClientError> {
        self.mls_groups.get(id).ok_or(ClientError::UnknownGroup)
    }

    pub fn access(&self, id: &GroupId) -> Result<GroupAccess, ClientError> {
        Ok(GroupAccess { group_id: id.clone(), group_key: self.group(id)?.group_key.clone() })
    }

    /// Returns the client as a sender that signs with its leaf key.
    pub fn leaf_identity(&self, id: &GroupId) -> Result<Identity, ClientError> {
        let sender = Sender::Leaf(self.mls(id)?.own_leaf_index().u32());
        Ok(Identity { sender, key: self.group(id)?.leaf_key.clone() })
    }

    pub fn epoch(&self, id: &GroupId) -> Result<u64, ClientError> {
        Ok(self.mls(id)?.epoch().as_u64())
    }

    /// Whether there are proposals of the delivery service, which have to be committed before anything else.
    pub fn has_proposals(&self, id: &GroupId) -> Result<bool, ClientError> {
        Ok(self.mls(id)?.has_pending_proposals())
    }

    pub fn is_healthy(&self, id: &GroupId) -> bool {
        self.progress.get(id).is_some_and(|progress| progress.healthy.into())
    }

    /// Returns the present members of a group, by leaf index.
    pub fn members(&self, id: &GroupId) -> Vec<&Member> {
        let memberships = self.members.range(members_of(id)).map(|(_, membership)| membership);
        let present = memberships.filter_map(|membership| match membership.standing {
            Standing::Present(leaf) => Some((leaf, &membership.member)),
            Standing::Former(_) => None,
        });
        let mut present: Vec<_> = present.collect();
        present.sort_by_key(|(leaf, _)| *leaf);
        present.into_iter().map(|(_, member)| member).collect()
    }

    pub fn is_member(&self, id: &GroupId, user: &UserId) -> bool {
        self.members(id).iter().any(|member| member.user() == user)
    }

    /// Returns the user who is or lately was in the group under this identity.
    pub fn user_of(&self, id: &GroupId, identity: &LeafIdentity) -> Option<&UserId> {
        self.members.get(&(id.clone(), *identity)).map(|membership| membership.member.user())
    }

    /// Rebuilds the list of members from the tree. `added` are those that a commit added or renewed.
    pub fn refresh_members(&mut self, id: &GroupId, added: Vec<Member>) -> Result<(), ClientError> {
        for member in added {
            let (key, standing) = ((id.clone(), member.identity), Standing::Present(0));
            self.members.insert(key, Membership { member, standing });
        }
        let mls = self.mls(id)?;
        let epoch = mls.epoch().as_u64();
        let leaves = mls.members().filter_map(|leaf| {
            let credential = leaf_credential(leaf.credential.serialized_content()).ok()?;
            Some((credential.leaf.payload.identity, leaf.index.u32()))
        });
        let leaves: BTreeMap<LeafIdentity, u32> = leaves.collect();
        let known: Vec<_> =
            self.members.range(members_of(id)).map(|((_, identity), of)| (*identity, of.standing)).collect();
        for (identity, before) in known {
            let key = (id.clone(), identity);
            let now = match (leaves.get(&identity), before) {
                (Some(leaf), _) => Standing::Present(*leaf),
                (None, Standing::Present(_)) => Standing::Former(epoch),
                (None, Standing::Former(since)) if since + FORMER_EPOCHS < epoch => {
                    self.members.remove(&key);
                    continue;
                }
                (None, former) => former,
            };
            if now != before
                && let Some(membership) = self.members.get_mut(&key)
            {
                membership.standing = now;
            }
        }
        Ok(())
    }

    /// Notes that a group has entered another epoch, and says so.
    pub fn enter_epoch(&mut self, id: &GroupId) -> Result<(), ClientError> {
        // Receipts of earlier epochs concern keys that are not used any more. A message that was given up may
        // have been ordered just before an own commit that was merged ahead of the queue.
        let epoch = self.epoch(id)?;
        let is_past = |awaited: &Awaited| awaited.epoch + u64::from(awaited.message.is_some()) < epoch;
        let past = self.awaited.range(awaited_of(id)).filter(|(_, awaited)| is_past(awaited));
        for key in past.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            self.awaited.remove(&key);
        }
        let mls = self.mls(id)?;
        let changed = Event::EpochChanged {
            group: id.clone(),
            epoch: mls.epoch().as_u64(),
            authenticator: mls.epoch_authenticator().as_slice().to_vec(),
        };
        self.emit(changed);
        Ok(())
    }

    /// Takes a group in that was created or joined: its MLS state is there.
    pub fn enter_group(
        &mut self,
        id: &GroupId,
        group: Group,
        members: Vec<Member>,
        last_position: Option<u64>,
    ) -> Result<(), ClientError> {
        self.groups.insert(id.clone(), group);
        let progress =
            Progress { last_position, healthy: Flag::Yes, own_epoch: None, recent: List::default() };
        self.progress.insert(id.clone(), progress);
        if !self.inboxes.contains(id) {
            self.inboxes.insert(id.clone(), Default::default());
        }
        self.refresh_members(id, members)
    }

    /// Forgets everything of a group, its MLS state included: what stayed could make another invitation fail.
    pub fn forget_group(&mut self, id: &GroupId) -> Result<(), ClientError> {
        if let Some(mut mls) = self.mls_groups.remove(id) {
            mls.delete(self.provider.storage()).map_err(ClientError::mls)?;
        }
        self.groups.remove(id);
        self.progress.remove(id);
        self.pending_commits.remove(id);
        self.members.retain(|(of, _), _| of != id);
        self.awaited.retain(|(of, _), _| of != id);
        self.forget_inbox(id);
        Ok(())
    }

    /// Whether the client is in the group, or on its way into it.
    pub fn is_known(&self, id: &GroupId) -> bool {
        self.inboxes.contains(id)
    }

    /// Whether a connection with this user is requested, or being accepted, and can still be made.
    pub fn is_connecting(&self, user: &UserId) -> bool {
        let asked = Some(Connection::Asked(user.clone()));
        let accepting = |want: &Want| matches!(want, Want::Accept { request } if request.content.sender.client_id().user_id == *user);
        self.intents.iter().any(|(_, intent)| accepting(&intent.want))
            || self.groups.iter().any(|(id, group)| group.connection == asked && self.is_healthy(id))
    }

    pub fn view(&self, id: &GroupId) -> Option<GroupView> {
        let (group, mls, progress) = (self.groups.get(id)?, self.mls(id).ok()?, self.progress.get(id)?);
        Some(GroupView {
            group_id: id.clone(),
            epoch: mls.epoch().as_u64(),
            members: self.members(id).into_iter().map(|member| member.user().clone()).collect(),
            epoch_authenticator: mls.epoch_authenticator().as_slice().to_vec(),
            healthy: progress.healthy.into(),
            last_position: progress.last_position,
            connection: group.connection.is_some(),
        })
    }
}

/// Returns the id under which MLS knows a group.
pub(crate) fn mls_group_id(id: &GroupId) -> openmls::group::GroupId {
    openmls::group::GroupId::from_slice(&encode(id))
}

fn members_of(id: &GroupId) -> RangeInclusive<(GroupId, LeafIdentity)> {
    (id.clone(), LeafIdentity([0; 16]))..=(id.clone(), LeafIdentity([0xff; 16]))
}

fn awaited_of(id: &GroupId) -> RangeInclusive<(GroupId, RequestId)> {
    (id.clone(), RequestId([0; 16]))..=(id.clone(), RequestId([0xff; 16]))
}
