//! PROTOCOL.md §8, Commits — a commit, checked as a receiving member would, and what it would change.

use std::collections::BTreeSet;

use openmls::prelude::{
    ContentType, GroupContext, LeafNodeIndex, MlsMessageBodyIn, ProcessedMessage, ProcessedMessageContent,
    Proposal, ProposalOrRefType, ProtocolMessage, PublicMessageIn, QueuedProposal, Sender, StagedCommit,
};
use tls_codec::Serialize;

use super::{
    commit::{
        AddView, CommitError, CommitSender, CommitSummary, CommittedProposal, ProposalKind, RemoveView,
    },
    encoding::{MalformedMessage, parse_body},
    group_info::{GroupInfoUpdate, verify_update},
    key_package::KeyPackageView,
    public_group::GroupState,
    storage::StoredStateError,
    view::{LeafView, external_senders, roles},
};
use crate::crypto::provider::MlsCrypto;

/// A valid commit that is not merged yet.
pub struct StagedChange {
    parent: GroupContext,
    /// The number of pending proposals, which only grows within an epoch.
    pending: usize,
    staged: Box<StagedCommit>,
    summary: CommitSummary,
}

impl StagedChange {
    /// What the commit does.
    pub fn summary(&self) -> &CommitSummary {
        &self.summary
    }

    /// Whether `state` is the one that the commit was checked against.
    pub(super) fn is_based_on(&self, state: &GroupState) -> bool {
        self.parent == *state.context() && self.pending == state.pending.len()
    }

    pub(super) fn into_staged(self) -> StagedCommit {
        *self.staged
    }
}

/// Why a staged commit cannot be merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// It was staged on another state than this.
    #[error("the commit was checked against another state of the group")]
    OtherState,
    /// The new state cannot be written. The caller drops this one.
    #[error(transparent)]
    Storage(#[from] StoredStateError),
}

impl GroupState {
    /// Checks a commit (an `MLSMessage`) as a receiving member would, and the GroupInfo that follows from it.
    /// Only members can check the membership tag and the encrypted secrets of the path.
    ///
    /// openmls compares the lifetimes of added key packages with the system's clock; the caller compares
    /// [`KeyPackageView::lifetime`] with the time that it was given.
    ///
    /// # Errors
    /// [`CommitError`]. Whether pending proposals are covered is not checked here, but by
    /// [`CommitSummary::require_pending_covered`].
    pub fn stage_commit(
        &self,
        crypto: &MlsCrypto,
        commit: &[u8],
        update: &GroupInfoUpdate,
    ) -> Result<StagedChange, CommitError> {
        let message = self.readable_commit(commit)?;
        // The GroupInfo needs it, and it is gone after processing.
        let tag = message.confirmation_tag().cloned().ok_or(CommitError::NotACommit)?;
        let processed = self
            .group
            .process_message(crypto, ProtocolMessage::from(message))
            .map_err(|error| CommitError::Invalid(error.to_string()))?;
        let authenticated_data = processed.aad().to_vec();
        let (sender, staged) = staged_commit(processed)?;
        let committer = self.committer(sender, &staged)?;
        let context = staged.group_context();
        let group_info =
            verify_update(crypto, update, context.clone(), tag, committer.index, &committer.signature_key)?;
        let removes = removals(&staged);
        let summary = CommitSummary {
            sender,
            authenticated_data,
            proposals: staged.queued_proposals().map(committed_proposal).collect(),
            adds: self.additions(crypto, &staged, &removes)?,
            has_path: staged.update_path_leaf_node().is_some(),
            covers_pending: self.covers_pending(&staged),
            group_context_changes: context.extensions() != self.context().extensions(),
            roles_after: roles(context),
            external_senders_after: external_senders(context),
            epoch_after: context.epoch().as_u64(),
            committer,
            removes,
            group_info,
        };
        Ok(StagedChange { parent: self.context().clone(), pending: self.pending.len(), staged, summary })
    }

    /// Merges a commit that was staged on this very state.
    ///
    /// # Errors
    /// [`MergeError`]. After [`MergeError::Storage`] the caller drops this state and loads the stored one.
    pub fn merge(&mut self, change: StagedChange) -> Result<(), MergeError> {
        if !change.is_based_on(self) {
            return Err(MergeError::OtherState);
        }
        // Only the storage can fail here.
        self.group
            .merge_commit(&self.storage, change.into_staged())
            .map_err(|_| MergeError::Storage(StoredStateError::Unwritable))?;
        self.pending.clear();
        Ok(())
    }

    fn readable_commit(&self, commit: &[u8]) -> Result<PublicMessageIn, CommitError> {
        let MlsMessageBodyIn::PublicMessage(message) = parse_body(commit)? else {
            return Err(CommitError::NotACommit);
        };
        if message.content_type() != ContentType::Commit {
            return Err(CommitError::NotACommit);
        }
        if message.group_id() != self.group.group_id() {
            return Err(CommitError::WrongGroup);
        }
        let (commit, current) = (message.epoch().as_u64(), self.epoch());
        if commit == current { Ok(message) } else { Err(CommitError::WrongEpoch { commit, current }) }
    }

    /// The committer's leaf after the commit.
    fn committer(&self, sender: CommitSender, staged: &StagedCommit) -> Result<LeafView, CommitError> {
        let index = match sender {
            CommitSender::Member(index) => LeafNodeIndex::new(index),
            CommitSender::NewMember => self
                .group
                .ext_commit_sender_index(staged)
                .map_err(|error| CommitError::Invalid(error.to_string()))?,
        };
        let leaf = staged.update_path_leaf_node().or_else(|| self.group.leaf(index));
        let leaf = leaf.ok_or_else(|| CommitError::Invalid("the committer has no leaf".into()))?;
        Ok(LeafView::new(index.u32(), leaf)?)
    }

    fn covers_pending(&self, staged: &StagedCommit) -> bool {
        let covered: BTreeSet<&[u8]> = staged
            .queued_proposals()
            .filter(|queued| queued.proposal_or_ref_type() == ProposalOrRefType::Reference)
            .map(|queued| queued.proposal_reference_ref().as_slice())
            .collect();
        self.pending.iter().all(|proposal| covered.contains(proposal.reference.as_slice()))
    }

    /// The added members and their leaf indices: MLS fills the leftmost empty leaves, after all removals (RFC
    /// 9420 §12.1.1, §12.3).
    fn additions(
        &self,
        crypto: &MlsCrypto,
        staged: &StagedCommit,
        removes: &[RemoveView],
    ) -> Result<Vec<AddView>, CommitError> {
        let leaves = self.group.treesync().full_leaves();
        let mut taken: BTreeSet<u32> = leaves.map(|(index, _)| index.u32()).collect();
        for remove in removes {
            taken.remove(&remove.leaf);
        }
        let mut free = (0..u32::MAX).filter(|index| !taken.contains(index));
        let mut adds = Vec::new();
        for add in staged.add_proposals() {
            let package = add.add_proposal().key_package();
            adds.push(AddView {
                key_package: package.tls_serialize_detached().map_err(|_| MalformedMessage)?,
                view: KeyPackageView::new(crypto, package)?,
                leaf: free.next().ok_or_else(|| CommitError::Invalid("the tree is full".into()))?,
            });
        }
        Ok(adds)
    }
}

fn staged_commit(processed: ProcessedMessage) -> Result<(CommitSender, Box<StagedCommit>), CommitError> {
    let sender = match processed.sender() {
        Sender::Member(index) => CommitSender::Member(index.u32()),
        Sender::NewMemberCommit => CommitSender::NewMember,
        Sender::External(_) | Sender::NewMemberProposal => return Err(CommitError::NotACommit),
    };
    match processed.into_content() {
        ProcessedMessageContent::StagedCommitMessage(staged) => Ok((sender, staged)),
        _ => Err(CommitError::NotACommit),
    }
}

fn by_reference(queued: &QueuedProposal) -> bool {
    queued.proposal_or_ref_type() == ProposalOrRefType::Reference
}

fn committed_proposal(queued: &QueuedProposal) -> CommittedProposal {
    let kind = match queued.proposal() {
        Proposal::Add(_) => ProposalKind::Add,
        Proposal::Update(_) => ProposalKind::Update,
        Proposal::Remove(_) => ProposalKind::Remove,
        Proposal::PreSharedKey(_) => ProposalKind::PreSharedKey,
        Proposal::ReInit(_) => ProposalKind::ReInit,
        Proposal::ExternalInit(_) => ProposalKind::ExternalInit,
        Proposal::GroupContextExtensions(_) => ProposalKind::GroupContextExtensions,
        Proposal::SelfRemove => ProposalKind::SelfRemove,
        Proposal::Custom(_) => ProposalKind::Other,
    };
    CommittedProposal { kind, by_reference: by_reference(queued) }
}

fn removals(staged: &StagedCommit) -> Vec<RemoveView> {
    let removed = |queued: &QueuedProposal| match (queued.proposal(), queued.sender()) {
        (Proposal::Remove(remove), _) => Some(remove.removed().u32()),
        (Proposal::SelfRemove, Sender::Member(leaf)) => Some(leaf.u32()),
        _ => None,
    };
    staged
        .queued_proposals()
        .filter_map(|queued| {
            removed(queued).map(|leaf| RemoveView { leaf, by_reference: by_reference(queued) })
        })
        .collect()
}
