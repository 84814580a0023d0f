//! PROTOCOL.md §8 — what the delivery service learns of a commit: who sent it, what it does, or why it is refused.

use super::{
    encoding::MalformedMessage,
    group_info::{GroupInfoBytes, GroupInfoError},
    key_package::{KeyPackageError, KeyPackageView},
    view::{ExternalSenderView, LeafError, LeafView},
};

/// Who sent a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitSender {
    /// The member at this leaf.
    Member(u32),
    /// Somebody who joins by this commit, or joins anew.
    NewMember,
}

/// The kinds of proposals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProposalKind {
    /// Adds a member by key package.
    Add,
    /// Replaces the leaf of the proposal's sender.
    Update,
    /// Removes a member.
    Remove,
    /// Mixes a secret in.
    PreSharedKey,
    /// Ends the group in favour of another.
    ReInit,
    /// Lets the committer join.
    ExternalInit,
    /// Replaces the group context's extensions.
    GroupContextExtensions,
    /// Removes the proposal's sender.
    SelfRemove,
    /// Something that openmls knows nothing of.
    Other,
}

/// A proposal that a commit covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommittedProposal {
    /// Its kind.
    pub kind: ProposalKind,
    /// Whether the commit names it by reference, rather than contain it.
    pub by_reference: bool,
}

/// A member to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddView {
    /// The encoded key package.
    pub key_package: Vec<u8>,
    /// What it says.
    pub view: KeyPackageView,
    /// Where the member will be.
    pub leaf: u32,
}

/// A member to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoveView {
    /// Where the member is.
    pub leaf: u32,
    /// Whether the removal was proposed before, rather than by the committer.
    pub by_reference: bool,
}

/// What a valid commit is and does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitSummary {
    /// Who sent it.
    pub sender: CommitSender,
    /// The committer's leaf after the commit; its index is the committer's place.
    pub committer: LeafView,
    /// The authenticated data of the commit.
    pub authenticated_data: Vec<u8>,
    /// All proposals, in order.
    pub proposals: Vec<CommittedProposal>,
    /// Who is added, in order.
    pub adds: Vec<AddView>,
    /// Who is removed, in order, by Remove or SelfRemove.
    pub removes: Vec<RemoveView>,
    /// Whether the committer's keys change.
    pub has_path: bool,
    /// Whether every pending proposal is covered.
    pub covers_pending: bool,
    /// Whether the group context's extensions change.
    pub group_context_changes: bool,
    /// The content of the roles extension after the commit.
    pub roles_after: Option<Vec<u8>>,
    /// The external senders after the commit.
    pub external_senders_after: Vec<ExternalSenderView>,
    /// The epoch that the commit leads to.
    pub epoch_after: u64,
    /// The verified GroupInfo of that epoch.
    pub group_info: GroupInfoBytes,
}

impl CommitSummary {
    /// Whether all proposals are of this kind and contained in the commit, as in "inline Adds only".
    pub fn is_only_inline(&self, kind: ProposalKind) -> bool {
        self.proposals.iter().all(|proposal| *proposal == CommittedProposal { kind, by_reference: false })
    }

    /// Refuses a commit that leaves pending proposals out.
    ///
    /// # Errors
    /// [`CommitError::PendingProposals`].
    pub fn require_pending_covered(&self) -> Result<(), CommitError> {
        if self.covers_pending { Ok(()) } else { Err(CommitError::PendingProposals) }
    }
}

/// Why a commit is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Not an MLS message at all.
    #[error(transparent)]
    Malformed(#[from] MalformedMessage),
    /// Not a commit in the clear: encrypted, an application message, a proposal, a Welcome.
    #[error("the message is not a commit that the delivery service can read")]
    NotACommit,
    /// For another group.
    #[error("the commit is for another group")]
    WrongGroup,
    /// For another epoch; the sender must rebase.
    #[error("the commit is for epoch {commit}, the group is at epoch {current}")]
    WrongEpoch {
        /// The commit's epoch.
        commit: u64,
        /// The group's epoch.
        current: u64,
    },
    /// It does not cover all pending proposals.
    #[error("the commit leaves pending proposals out")]
    PendingProposals,
    /// A leaf that has no place in our groups.
    #[error(transparent)]
    Leaf(#[from] LeafError),
    /// It adds a key package that our groups do not admit.
    #[error("added {0}")]
    KeyPackage(#[from] KeyPackageError),
    /// The GroupInfo that came along is wrong.
    #[error(transparent)]
    GroupInfo(#[from] GroupInfoError),
    /// A member would refuse it.
    #[error("the commit is not valid: {0}")]
    Invalid(String),
}
