//! PROTOCOL.md §11.12 — the client's own commits: made, pending, then merged or dropped.

use openmls::prelude::KeyPackage;
use openmls_traits::OpenMlsProvider;

use super::{
    error::ClientError,
    groups::message_bytes,
    joiners::Joiner,
    messages::{
        AttributedWelcome, Invitation, WelcomeAttribution, seal_credential, welcome_attribution_binding,
    },
    state::{Awaited, CommitRequest, Member, PendingCommit, State},
};
use crate::{
    codec::{Bytes, List, encode},
    crypto::aead::EarCiphertext,
    identifiers::{GroupId, RequestId},
    limits::{MAX_ADDS, MAX_MLS_MESSAGE},
    mls::GroupInfoUpdate,
    wire::{
        delivery_service::{AddUsers, CommitData, UpdateClient},
        queuing_service::KeyPackageBatch,
    },
};

/// A commit that is staged in the MLS state.
struct Staged {
    commit: Bytes<MAX_MLS_MESSAGE>,
    group_info: GroupInfoUpdate,
    welcome: Option<Bytes<MAX_MLS_MESSAGE>>,
}

impl State {
    /// Makes a commit that adds users, and keeps it as pending.
    pub fn commit_adds(&mut self, id: &GroupId, joiners: &[Joiner]) -> Result<(), ClientError> {
        let added = self.stage_adds(id, joiners);
        if added.is_err() {
            self.unstage(id)?;
        }
        added
    }

    fn stage_adds(&mut self, id: &GroupId, joiners: &[Joiner]) -> Result<(), ClientError> {
        let key = self.group(id)?.credential_key.clone();
        let random = &mut self.random;
        let credentials = joiners.iter().map(|joiner| {
            let Member { identity, credential } = &joiner.member;
            seal_credential(random, &key, id, identity, credential)
        });
        let credentials: Result<Vec<_>, ClientError> = credentials.collect();
        let data = CommitData { encrypted_credentials: credentials?.try_into()?, friendship_package: None };
        let packages = joiners.iter().map(|joiner| joiner.package.clone()).collect();
        let Staged { commit, group_info, welcome } = self.stage(id, &data, packages)?;
        let welcome = welcome.ok_or(ClientError::mls("a commit without a Welcome"))?;
        let (welcome, attributions) = self.attribute_welcome(id, welcome, joiners)?;
        let mut batches: Vec<KeyPackageBatch> = joiners.iter().map(|joiner| joiner.batch.clone()).collect();
        batches.dedup();
        let group = self.access(id)?;
        let batches = batches.try_into()?;
        let request = AddUsers { group, commit, group_info, welcome, attributions, batches };
        let added = joiners.iter().map(|joiner| joiner.member.clone()).collect();
        self.set_pending(id, CommitRequest::AddUsers(request), added)
    }

    /// Makes a commit that renews the client's own leaf, and keeps it as pending.
    pub fn commit_update(&mut self, id: &GroupId) -> Result<(), ClientError> {
        let data = CommitData { encrypted_credentials: Default::default(), friendship_package: None };
        let Staged { commit, group_info, .. } = self.stage(id, &data, Vec::new())?;
        let request = UpdateClient { group: self.access(id)?, commit, group_info };
        self.set_pending(id, CommitRequest::Update(request), Vec::new())
    }

    /// Stages a commit of all proposals that wait, and of these additions; without any, of a new own leaf.
    fn stage(
        &mut self,
        id: &GroupId,
        data: &CommitData,
        adds: Vec<KeyPackage>,
    ) -> Result<Staged, ClientError> {
        let leaf_key = self.group(id)?.leaf_key.clone();
        let Self { mls_groups, provider, .. } = self;
        let mls = mls_groups.get_mut(id).ok_or(ClientError::UnknownGroup)?;
        mls.set_aad(encode(data));
        let bundle = mls
            .commit_builder()
            .force_self_update(adds.is_empty())
            .propose_adds(adds)
            .load_psks(provider.storage())
            .map_err(ClientError::mls)?
            .create_group_info(true)
            .use_ratchet_tree_extension(false)
            .build(provider.rand(), provider.crypto(), &leaf_key, |_| true)
            .map_err(ClientError::mls)?
            .stage_commit(provider)
            .map_err(ClientError::mls)?;
        let group_info = bundle.group_info().ok_or(ClientError::mls("a commit without group information"))?;
        let group_info = GroupInfoUpdate::from_group_info(group_info).map_err(ClientError::mls)?;
        let welcome = bundle.to_welcome_msg();
        let welcome = welcome.map(|welcome| Ok::<_, ClientError>(message_bytes(&welcome)?.try_into()?));
        let commit = message_bytes(bundle.commit())?.try_into()?;
        Ok(Staged { commit, group_info, welcome: welcome.transpose()? })
    }

    fn set_pending(
        &mut self,
        id: &GroupId,
        request: CommitRequest,
        added: Vec<Member>,
    ) -> Result<(), ClientError> {
        let pending =
            PendingCommit { request, added: added.try_into()?, id: RequestId::random(&mut self.random) };
        self.pending_commits.insert(id.clone(), pending);
        Ok(())
    }

    /// Merges the pending commit, which was ordered. Does nothing if none is pending: then it was merged
    /// before.
    pub fn merge_pending(&mut self, id: &GroupId) -> Result<(), ClientError> {
        let Some(pending) = self.pending_commits.remove(id) else { return Ok(()) };
        let Self { mls_groups, provider, .. } = self;
        let mls = mls_groups.get_mut(id).ok_or(ClientError::UnknownGroup)?;
        mls.merge_pending_commit(provider).map_err(ClientError::mls)?;
        self.refresh_members(id, pending.added.into_vec())?;
        self.enter_epoch(id)?;
        let epoch = self.epoch(id)?;
        if let Some(progress) = self.progress.get_mut(id) {
            progress.own_epoch = Some(epoch);
        }
        self.awaited.insert((id.clone(), pending.id), Awaited { epoch, copies: 1, message: None });
        self.changed();
        Ok(())
    }

    /// Drops the pending commit, which was refused or lost its epoch to another member's.
    pub fn drop_pending(&mut self, id: &GroupId) -> Result<(), ClientError> {
        if self.pending_commits.remove(id).is_some() {
            self.unstage(id)?;
        }
        Ok(())
    }

    fn unstage(&mut self, id: &GroupId) -> Result<(), ClientError> {
        let Self { mls_groups, provider, .. } = self;
        let mls = mls_groups.get_mut(id).ok_or(ClientError::UnknownGroup)?;
        mls.clear_pending_commit(provider.storage()).map_err(ClientError::mls)
    }

    /// Signs the invitation over the Welcome. Returns the Welcome and the attribution, encrypted for each
    /// joiner.
    fn attribute_welcome(
        &mut self,
        id: &GroupId,
        welcome: Bytes<MAX_MLS_MESSAGE>,
        joiners: &[Joiner],
    ) -> Result<(Bytes<MAX_MLS_MESSAGE>, List<EarCiphertext, MAX_ADDS>), ClientError> {
        let group = self.group(id)?;
        let invitation = Invitation {
            inviter: self.account.client_id.clone(),
            group_id: id.clone(),
            group_key: group.group_key.clone(),
            credential_key: group.credential_key.clone(),
        };
        let attributed = AttributedWelcome { invitation, welcome };
        let signature = self.account.client_key.sign(&attributed);
        let AttributedWelcome { invitation, welcome } = attributed;
        let attribution = encode(&WelcomeAttribution { invitation, signature });
        let name = welcome_attribution_binding(id);
        let random = &mut self.random;
        let sealed = joiners.iter().map(|joiner| joiner.friendship_key.seal(random, &name, &attribution));
        Ok((welcome, sealed.collect::<Result<Vec<_>, _>>()?.try_into()?))
    }
}
