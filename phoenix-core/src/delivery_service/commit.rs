//! PROTOCOL.md §8, Commits — what all commits have in common: validated as a member would, applied, fanned
//! out.

use super::{fan_out::FanOut, group::Group, roster::Roster, sections::Member, welcome};
use crate::{
    codec::decode,
    crypto::provider::MlsCrypto,
    error::Refusal,
    mls::{self, CommitError, CommitSender, CommitSummary, GroupInfoUpdate, Roles, StagedChange},
    operation::{Interrupt, Transaction},
    wire::delivery_service::{CommitData, CommitReply},
};

/// A commit that stands validation, with the state that it applies to.
pub(super) struct StagedCommit {
    state: mls::GroupState,
    change: StagedChange,
    /// Its additional authenticated data.
    pub data: CommitData,
}

impl StagedCommit {
    /// Validates `commit`, an encoded MLSMessage, against the group as it is.
    ///
    /// # Errors
    /// The refusals of the section, in its order; [`Refusal::WrongEpoch`] tells the committer to rebase.
    pub fn validate(
        transaction: &mut Transaction<'_>,
        group: &Group,
        commit: &[u8],
        group_info: &GroupInfoUpdate,
    ) -> Result<Self, Interrupt> {
        let state = group.tree(transaction)?;
        let crypto = MlsCrypto::with_memo(transaction.random().array(), transaction.homeserver().hash_memo());
        let change = state.stage_commit(&crypto, commit, group_info).map_err(refusal)?;
        let data = decode(&change.summary().authenticated_data).map_err(|_| Refusal::Malformed)?;
        Ok(Self { state, change, data })
    }

    /// Who made the commit, and what it changes.
    pub fn summary(&self) -> &CommitSummary {
        self.change.summary()
    }

    /// Makes sure that the authenticated sender of the request, at leaf `sender`, is the committer.
    pub fn check_committer(&self, sender: u32) -> Result<(), Refusal> {
        if self.summary().sender == CommitSender::Member(sender) {
            Ok(())
        } else {
            Err(Refusal::CommitNotAllowed)
        }
    }

    /// Makes sure that the committer keeps its key and its credential. `update_client` alone changes them,
    /// and what the delivery service knows the member by with them.
    pub fn check_same_leaf(&self, sender: &Member) -> Result<(), Refusal> {
        let same_key = self.summary().committer.signature_key == sender.key;
        if same_key && !self.credential_changes(sender.leaf) {
            Ok(())
        } else {
            Err(Refusal::CommitNotAllowed)
        }
    }

    /// Makes sure that the commit covers all pending proposals.
    pub fn check_pending_covered(&self) -> Result<(), Refusal> {
        self.summary().require_pending_covered().map_err(|_| Refusal::PendingProposals)
    }

    /// Whether the commit changes the credential of the committer's `leaf`.
    pub fn credential_changes(&self, leaf: u32) -> bool {
        self.state.leaf(leaf).is_none_or(|before| before.credential != self.summary().committer.credential)
    }

    /// Whether proposals wait to be committed.
    pub fn has_pending(&self) -> bool {
        !self.state.pending_proposals().is_empty()
    }

    /// Applies the commit, and hands it to the distributor.
    ///
    /// `roster` has the members as they are after the commit; `fan_out` goes to the members before it, and to
    /// joiners.
    pub fn apply(
        mut self,
        transaction: &mut Transaction<'_>,
        mut group: Group,
        mut roster: Roster,
        fan_out: FanOut,
    ) -> Result<CommitReply, Interrupt> {
        let summary = self.change.summary();
        let epoch = summary.epoch_after;
        roster.members.epoch = epoch;
        roster.members.roles = Roles::read(summary.roles_after.as_deref());
        let group_info = summary.group_info.as_slice().to_vec();
        roster.rest.group_info = group_info.try_into().map_err(|_| Refusal::GroupFull)?;
        let adds = summary.adds.clone();
        self.state.merge(self.change).map_err(|_| Refusal::Internal)?;
        if !adds.is_empty() {
            welcome::keep_for_joiners(transaction, &mut group, &self.state, &mut roster.rest, &adds)?;
        }
        group.write_tree(transaction, &self.state)?;
        roster.write(transaction, &mut group)?;
        let position = fan_out.append(transaction, &mut group);
        group.save(transaction);
        Ok(CommitReply { position, epoch, sent_at: transaction.now() })
    }
}

fn refusal(error: CommitError) -> Refusal {
    match error {
        CommitError::WrongEpoch { current, .. } => Refusal::WrongEpoch { current },
        CommitError::PendingProposals => Refusal::PendingProposals,
        CommitError::GroupInfo(_) => Refusal::InvalidGroupInfo,
        CommitError::KeyPackage(_) => Refusal::InvalidKeyPackage,
        CommitError::Malformed(_)
        | CommitError::NotACommit
        | CommitError::WrongGroup
        | CommitError::Leaf(_)
        | CommitError::Invalid(_) => Refusal::InvalidMlsMessage,
    }
}
