//! PROTOCOL.md §11.12 — the client's own commits: made, pending, then merged or dropped.

use openmls_traits::OpenMlsProvider;

use super::{
    error::ClientError,
    groups::message_bytes,
    joiners::Joiner,
    messages::{
        AttributedWelcome, Invitation, WelcomeAttribution, seal_credential, welcome_attribution_binding,
    },
    state::{CommitRequest, Group, Member, PendingCommit, State},
};
use crate::{
    codec::{Bytes, List, encode},
    crypto::{aead::EarCiphertext, sign::SigningKey},
    identifiers::{ClientId, GroupId},
    limits::{MAX_ADDS, MAX_MLS_MESSAGE},
    mls::GroupInfoUpdate,
    rng::Random,
    wire::{
        delivery_service::{AddUsers, CommitData, UpdateClient},
        queuing_service::KeyPackageBatch,
    },
};

impl State {
    /// Makes a commit that adds users, and keeps it as pending.
    pub fn commit_adds(&mut self, id: &GroupId, joiners: &[Joiner]) -> Result<(), ClientError> {
        let inviter = self.client_id.clone();
        let Self { groups, provider, random, client_key, .. } = self;
        let group = groups.get_mut(id).ok_or(ClientError::UnknownGroup)?;
        let credentials = joiners.iter().map(|joiner| {
            let Member { identity, credential } = &joiner.member;
            seal_credential(random, &group.credential_key, id, identity, credential)
        });
        let credentials: Result<Vec<_>, ClientError> = credentials.collect();
        let data = CommitData { encrypted_credentials: credentials?.try_into()?, friendship_package: None };
        group.mls.set_aad(encode(&data));
        let packages = joiners.iter().map(|joiner| joiner.package.clone());
        let bundle = group
            .mls
            .commit_builder()
            .propose_adds(packages)
            .load_psks(provider.storage())
            .map_err(ClientError::mls)?
            .create_group_info(true)
            .use_ratchet_tree_extension(false)
            .build(provider.rand(), provider.crypto(), &group.leaf_key, |_| true)
            .map_err(ClientError::mls)?
            .stage_commit(provider)
            .map_err(ClientError::mls)?;
        let group_info = bundle.group_info().ok_or(ClientError::mls("a commit without group information"))?;
        let group_info = GroupInfoUpdate::from_group_info(group_info).map_err(ClientError::mls)?;
        let welcome = bundle.to_welcome_msg().ok_or(ClientError::mls("a commit without a Welcome"))?;
        let welcome = message_bytes(&welcome)?.try_into()?;
        let (welcome, attributions) =
            attribute_welcome(random, &inviter, client_key, group, welcome, joiners)?;
        let mut batches: Vec<KeyPackageBatch> = joiners.iter().map(|joiner| joiner.batch.clone()).collect();
        batches.dedup();
        let request = AddUsers {
            group: group.access(),
            commit: message_bytes(bundle.commit())?.try_into()?,
            group_info,
            welcome,
            attributions,
            batches: batches.try_into()?,
        };
        let added = joiners.iter().map(|joiner| joiner.member.clone()).collect();
        group.set_pending(CommitRequest::AddUsers(request), added);
        Ok(())
    }

    /// Makes a commit that renews the client's own leaf, and keeps it as pending.
    pub fn commit_update(&mut self, id: &GroupId) -> Result<(), ClientError> {
        let Self { groups, provider, .. } = self;
        let group = groups.get_mut(id).ok_or(ClientError::UnknownGroup)?;
        let data = CommitData { encrypted_credentials: Default::default(), friendship_package: None };
        group.mls.set_aad(encode(&data));
        let bundle = group
            .mls
            .commit_builder()
            .force_self_update(true)
            .load_psks(provider.storage())
            .map_err(ClientError::mls)?
            .create_group_info(true)
            .use_ratchet_tree_extension(false)
            .build(provider.rand(), provider.crypto(), &group.leaf_key, |_| true)
            .map_err(ClientError::mls)?
            .stage_commit(provider)
            .map_err(ClientError::mls)?;
        let group_info = bundle.group_info().ok_or(ClientError::mls("a commit without group information"))?;
        let group_info = GroupInfoUpdate::from_group_info(group_info).map_err(ClientError::mls)?;
        let commit = message_bytes(bundle.commit())?.try_into()?;
        let request = UpdateClient { group: group.access(), commit, group_info };
        group.set_pending(CommitRequest::Update(request), Vec::new());
        Ok(())
    }

    /// Merges the pending commit, which was ordered. Does nothing if none is pending: then it was merged
    /// before.
    pub fn merge_pending(&mut self, id: &GroupId) -> Result<(), ClientError> {
        let Self { groups, provider, .. } = self;
        let group = groups.get_mut(id).ok_or(ClientError::UnknownGroup)?;
        let Some(pending) = group.pending.take() else { return Ok(()) };
        group.mls.merge_pending_commit(provider).map_err(ClientError::mls)?;
        group.merged = true;
        group.refresh_members(pending.added);
        let changed = group.epoch_changed();
        self.woken = true;
        self.emit(changed);
        Ok(())
    }

    /// Drops the pending commit, which was refused or lost its epoch to another member's.
    pub fn drop_pending(&mut self, id: &GroupId) -> Result<(), ClientError> {
        let Self { groups, provider, .. } = self;
        let group = groups.get_mut(id).ok_or(ClientError::UnknownGroup)?;
        if group.pending.take().is_some() {
            group.mls.clear_pending_commit(provider.storage()).map_err(ClientError::mls)?;
        }
        Ok(())
    }
}

impl Group {
    fn set_pending(&mut self, request: CommitRequest, added: Vec<Member>) {
        self.merged = false;
        self.pending = Some(PendingCommit { request, added, requests: Vec::new() });
    }
}

/// Signs the invitation over the Welcome. Returns the Welcome and the attribution, encrypted for each joiner.
fn attribute_welcome(
    random: &mut Random,
    inviter: &ClientId,
    client_key: &SigningKey,
    group: &Group,
    welcome: Bytes<MAX_MLS_MESSAGE>,
    joiners: &[Joiner],
) -> Result<(Bytes<MAX_MLS_MESSAGE>, List<EarCiphertext, MAX_ADDS>), ClientError> {
    let invitation = Invitation {
        inviter: inviter.clone(),
        group_id: group.id.clone(),
        group_key: group.group_key.clone(),
        credential_key: group.credential_key.clone(),
    };
    let attributed = AttributedWelcome { invitation, welcome };
    let signature = client_key.sign(&attributed);
    let AttributedWelcome { invitation, welcome } = attributed;
    let attribution = encode(&WelcomeAttribution { invitation, signature });
    let name = welcome_attribution_binding(&group.id);
    let sealed = joiners.iter().map(|joiner| joiner.friendship_key.seal(random, &name, &attribution));
    Ok((welcome, sealed.collect::<Result<Vec<_>, _>>()?.try_into()?))
}
