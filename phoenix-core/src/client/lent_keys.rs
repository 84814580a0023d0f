//! PROTOCOL.md §12 — what a client has, as an attacker has it to whom the client lends it: for simulators and
//! tests; contains no protocol rule.
//!
//! Only builds with the feature `forgery` have it.

use super::state::State;
use crate::{
    credentials::ClientCredential,
    crypto::{aead::EarKey, sign::SigningKey},
    identifiers::{ClientId, GroupId, QsClientId, QsUserId},
    wire::queuing_service::FriendshipToken,
};

/// The names and keys of a registered client.
pub struct LentKeys {
    /// The client.
    pub client_id: ClientId,
    /// The key of its credential, which signs requests to the authentication service.
    pub client_key: SigningKey,
    /// Its credential.
    pub credential: ClientCredential,
    /// What its contacts fetch its key packages with.
    pub friendship_token: FriendshipToken,
    /// The pseudonym of its user at the queuing service.
    pub qs_user: QsUserId,
    /// Its own pseudonym at the queuing service, which names its queue.
    pub qs_client: QsClientId,
    /// The key of that pseudonym, which signs requests to the queuing service.
    pub queue_key: SigningKey,
    /// The key that signs its queue configurations.
    pub config_key: SigningKey,
    /// The groups that it is in, by id.
    pub groups: Vec<LentGroup>,
}

/// The keys of a membership.
pub struct LentGroup {
    /// The group.
    pub group_id: GroupId,
    /// The key that opens the group's state at its delivery service.
    pub group_key: EarKey,
    /// The client's leaf index.
    pub leaf: u32,
    /// The key of the leaf, which signs requests to the delivery service.
    pub leaf_key: SigningKey,
    /// The epoch that the client is in.
    pub epoch: u64,
    /// Whether the delivery service may know the client by another key, or be in another epoch, by a commit
    /// of the client itself: one is under way, or the client cannot follow the group any more.
    pub is_changing: bool,
}

impl LentKeys {
    /// Returns what the client of this state has; `None` before its registration has ended.
    pub(super) fn of(state: &State) -> Option<Self> {
        let (account, queuing) = (&*state.account, state.account.queuing.as_ref()?);
        Some(Self {
            client_id: account.client_id.clone(),
            client_key: account.client_key.clone(),
            credential: account.credential.clone()?,
            friendship_token: account.friendship_token.clone(),
            qs_user: queuing.user,
            qs_client: queuing.client,
            queue_key: queuing.client_key.clone(),
            config_key: queuing.config_key.clone(),
            groups: state.groups.keys().filter_map(|id| LentGroup::of(state, id)).collect(),
        })
    }
}

impl LentGroup {
    fn of(state: &State, id: &GroupId) -> Option<Self> {
        let (group, mls) = (state.groups.get(id)?, state.mls(id).ok()?);
        Some(Self {
            group_id: id.clone(),
            group_key: group.group_key.clone(),
            leaf: mls.own_leaf_index().u32(),
            leaf_key: group.leaf_key.clone(),
            epoch: mls.epoch().as_u64(),
            is_changing: state.pending_commits.get(id).is_some() || !state.is_healthy(id),
        })
    }
}
