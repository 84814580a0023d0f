//! PROTOCOL.md §11.1 — a group as its member holds it.

use std::collections::BTreeMap;

use openmls::prelude::MlsGroup;

use super::account::Identity;
use crate::{
    client::{
        event::{Event, GroupView, TaskId},
        messages::leaf_credential,
    },
    credentials::MemberCredential,
    crypto::{aead::EarKey, sign::SigningKey},
    identifiers::{GroupId, LeafIdentity, RequestId, UserId},
    wire::{
        delivery_service::{AddUsers, GroupAccess, UpdateClient},
        envelope::Sender,
    },
};

/// A group that the client is in.
pub(crate) struct Group {
    pub id: GroupId,
    pub mls: MlsGroup,
    pub leaf_key: SigningKey,
    pub group_key: EarKey,
    pub credential_key: EarKey,
    /// By leaf index.
    pub members: BTreeMap<u32, Member>,
    /// Present and former members: messages of former ones may still arrive.
    pub users_by_identity: BTreeMap<LeafIdentity, UserId>,
    pub last_position: Option<u64>,
    pub healthy: bool,
    /// The client's own commit of unknown outcome.
    pub pending: Option<PendingCommit>,
    /// Whether the client's last own commit was merged.
    pub merged: bool,
    /// The client's own messages of unknown outcome, by the request that carried them.
    pub unconfirmed: BTreeMap<RequestId, UnconfirmedMessage>,
    /// Which connection the group is for, if it is for one.
    pub connection: Option<Connection>,
}

/// The state of the connection that a group is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Connection {
    /// This user was asked, and has not joined yet.
    Asked(UserId),
    /// Both users are members.
    Made,
}

/// A member whose chain of credentials is verified.
#[derive(Clone)]
pub(crate) struct Member {
    pub identity: LeafIdentity,
    pub credential: MemberCredential,
}

impl Member {
    /// Returns the user whose leaf it is.
    pub fn user(&self) -> &UserId {
        &self.credential.client_credential.client_id().user_id
    }
}

/// A commit of unknown outcome.
pub(crate) struct PendingCommit {
    pub request: CommitRequest,
    /// The members that it adds.
    pub added: Vec<Member>,
    /// The requests that carried it.
    pub requests: Vec<RequestId>,
}

/// A commit in the request that carries it.
#[derive(Clone)]
pub(crate) enum CommitRequest {
    AddUsers(AddUsers),
    Update(UpdateClient),
}

/// A message of unknown outcome.
#[derive(Clone)]
pub(crate) struct UnconfirmedMessage {
    pub task: TaskId,
    pub text: Vec<u8>,
}

impl Group {
    /// Returns a group that was just created or joined, without members.
    pub fn new(access: GroupAccess, credential_key: EarKey, mls: MlsGroup, leaf_key: SigningKey) -> Self {
        Self {
            id: access.group_id,
            mls,
            leaf_key,
            group_key: access.group_key,
            credential_key,
            members: BTreeMap::new(),
            users_by_identity: BTreeMap::new(),
            last_position: None,
            healthy: true,
            pending: None,
            merged: false,
            unconfirmed: BTreeMap::new(),
            connection: None,
        }
    }

    pub fn access(&self) -> GroupAccess {
        GroupAccess { group_id: self.id.clone(), group_key: self.group_key.clone() }
    }

    /// Returns the client as a sender that signs with its leaf key.
    pub fn identity(&self) -> Identity {
        let sender = Sender::Leaf(self.mls.own_leaf_index().u32());
        Identity { sender, key: self.leaf_key.clone() }
    }

    pub fn epoch(&self) -> u64 {
        self.mls.epoch().as_u64()
    }

    /// Whether there are proposals of the delivery service, which have to be committed before anything else.
    pub fn has_proposals(&self) -> bool {
        self.mls.has_pending_proposals()
    }

    pub fn is_member(&self, user: &UserId) -> bool {
        self.members.values().any(|member| member.user() == user)
    }

    /// Rebuilds the list of members from the tree. `added` are those that a commit added or renewed.
    pub fn refresh_members(&mut self, added: Vec<Member>) {
        let old = std::mem::take(&mut self.members).into_values();
        // An added one replaces one of the same identity: its credential was renewed.
        let known: BTreeMap<LeafIdentity, Member> =
            old.chain(added).map(|member| (member.identity, member)).collect();
        for leaf in self.mls.members() {
            let Ok(credential) = leaf_credential(leaf.credential.serialized_content()) else { continue };
            if let Some(member) = known.get(&credential.leaf.payload.identity) {
                self.users_by_identity.insert(member.identity, member.user().clone());
                self.members.insert(leaf.index.u32(), member.clone());
            }
        }
    }

    pub fn epoch_changed(&self) -> Event {
        Event::EpochChanged {
            group: self.id.clone(),
            epoch: self.epoch(),
            authenticator: self.mls.epoch_authenticator().as_slice().to_vec(),
        }
    }

    pub fn view(&self) -> GroupView {
        GroupView {
            group_id: self.id.clone(),
            epoch: self.epoch(),
            members: self.members.values().map(|member| member.user().clone()).collect(),
            epoch_authenticator: self.mls.epoch_authenticator().as_slice().to_vec(),
            healthy: self.healthy,
            last_position: self.last_position,
            connection: self.connection.is_some(),
        }
    }
}
