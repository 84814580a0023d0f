//! PROTOCOL.md §8, Commits — what the delivery service learns of a commit: who sent it, what it does, or why
//! it is refused.

use super::{
    encoding::MalformedMessage,
    group_info::{GroupInfoBytes, GroupInfoError},
    key_package::{KeyPackageError, KeyPackageView},
    view::{ExternalSenderView, LeafError, LeafView},
};

/// The sender of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitSender {
    /// The member at this leaf index.
    Member(u32),
    /// A client that joins, or joins again, by this commit.
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
    /// Mixes a secret into the key schedule.
    PreSharedKey,
    /// Ends the group in favour of another.
    ReInit,
    /// Lets the committer join by external commit.
    ExternalInit,
    /// Replaces the group context's extensions.
    GroupContextExtensions,
    /// Removes the proposal's sender.
    SelfRemove,
    /// A kind that openmls does not know.
    Other,
}

/// A proposal that a commit covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommittedProposal {
    /// What it does.
    pub kind: ProposalKind,
    /// Whether the commit names it by reference, instead of containing it.
    pub by_reference: bool,
}

/// A member that a commit adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddView {
    /// The encoded key package.
    pub key_package: Vec<u8>,
    /// What the key package says.
    pub view: KeyPackageView,
    /// The leaf index that the member will have.
    pub leaf: u32,
}

/// A member that a commit removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoveView {
    /// The member's leaf index.
    pub leaf: u32,
    /// Whether the removal was proposed before, instead of in the commit.
    pub by_reference: bool,
}

/// What a valid commit does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitSummary {
    /// Who sent it.
    pub sender: CommitSender,
    /// The committer's leaf after the commit.
    pub committer: LeafView,
    /// The authenticated data of the commit.
    pub authenticated_data: Vec<u8>,
    /// All proposals that the commit covers, in order.
    pub proposals: Vec<CommittedProposal>,
    /// The members that are added, in order.
    pub adds: Vec<AddView>,
    /// The members that are removed by Remove or SelfRemove, in order.
    pub removes: Vec<RemoveView>,
    /// Whether the commit has an update path: the committer's keys change.
    pub has_path: bool,
    /// Whether every pending proposal is covered.
    pub covers_pending: bool,
    /// Whether the group context's extensions change.
    pub group_context_changes: bool,
    /// The content of the roles extension after the commit, if there is one.
    pub roles_after: Option<Vec<u8>>,
    /// The external senders after the commit.
    pub external_senders_after: Vec<ExternalSenderView>,
    /// The epoch that the commit leads to.
    pub epoch_after: u64,
    /// The verified GroupInfo of that epoch.
    pub group_info: GroupInfoBytes,
}

impl CommitSummary {
    /// Whether all proposals are of this kind and contained in the commit. Holds for a commit without
    /// proposals.
    pub fn is_only_inline(&self, kind: ProposalKind) -> bool {
        self.proposals.iter().all(|proposal| *proposal == CommittedProposal { kind, by_reference: false })
    }

    /// Checks that the commit covers every pending proposal.
    ///
    /// # Errors
    /// [`CommitError::PendingProposals`] if it leaves one out: the sender has to rebase.
    pub fn require_pending_covered(&self) -> Result<(), CommitError> {
        if self.covers_pending { Ok(()) } else { Err(CommitError::PendingProposals) }
    }
}

/// Why a commit is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// It is not an MLS message at all.
    #[error(transparent)]
    Malformed(#[from] MalformedMessage),
    /// It is not a commit in the clear, but encrypted, an application message, a proposal or a Welcome.
    #[error("the message is not a commit that the delivery service can read")]
    NotACommit,
    /// It is for another group.
    #[error("the commit is for another group")]
    WrongGroup,
    /// It is for another epoch: the sender has to rebase. Commits that cross each other cause this.
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
    /// A leaf is not admitted to groups here.
    #[error(transparent)]
    Leaf(#[from] LeafError),
    /// It adds a key package that is not admitted to groups here.
    #[error("a key package that the commit adds is refused: {0}")]
    KeyPackage(#[from] KeyPackageError),
    /// The GroupInfo that came along is wrong.
    #[error(transparent)]
    GroupInfo(#[from] GroupInfoError),
    /// MLS refuses it, as every member would.
    #[error("the commit is not valid: {0}")]
    Invalid(String),
}
