//! PROTOCOL.md §8, State — a group as the delivery service sees it: members, epoch, pending proposals, no
//! secrets.

use openmls::{
    messages::group_info::GroupInfo,
    prelude::{GroupContext, LeafNodeIndex, MlsMessageBodyIn, ProposalStore, PublicGroup, RatchetTreeIn},
};

use super::{
    encoding::{MalformedMessage, parse_body, read},
    group_info::{GroupInfoBytes, GroupInfoError},
    profile::CIPHERSUITE,
    storage::{PublicGroupStorage, StoredStateError},
    view::{ExternalSenderView, LeafError, LeafView, PendingProposal, external_senders, roles},
};
use crate::{codec::encode, crypto::provider::MlsCrypto};

/// A group's public state, advanced by commits: [`GroupState::stage_commit`] checks one,
/// [`GroupState::merge`] applies it.
pub struct GroupState {
    pub(super) group: PublicGroup,
    pub(super) storage: PublicGroupStorage,
    /// The views of the storage's proposals, in the order in which they were made.
    pub(super) pending: Vec<PendingProposal>,
}

/// Why a group cannot be created.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValidationError {
    /// The tree or the GroupInfo is not well-formed.
    #[error(transparent)]
    Malformed(#[from] MalformedMessage),
    /// The group is of another ciphersuite than [`CIPHERSUITE`].
    #[error("the group is of another ciphersuite")]
    Ciphersuite,
    /// A leaf is not admitted to groups here.
    #[error(transparent)]
    Leaf(#[from] LeafError),
    /// The GroupInfo is of no use to joiners, or has other extensions than it may.
    #[error(transparent)]
    GroupInfo(#[from] GroupInfoError),
    /// MLS refuses it: tree and GroupInfo do not belong together, or a signature is wrong.
    #[error("the group is not valid: {0}")]
    Invalid(String),
}

/// The group is not new: it is not at epoch 0, has not exactly one member, or has a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the group is not at epoch 0 with one member")]
pub struct NotFresh;

impl GroupState {
    /// Starts from a ratchet tree and a GroupInfo (an `MLSMessage`, without a tree inside), which the client
    /// sends that creates the group. Whether the group is new, [`GroupState::check_fresh`] checks.
    ///
    /// openmls compares the lifetimes of leaves from key packages with the system's clock.
    ///
    /// # Errors
    /// [`ValidationError`] if the two do not belong together, a signature is wrong, a leaf is not admitted to
    /// groups here, or joiners could not use the GroupInfo.
    pub fn create(
        crypto: &MlsCrypto,
        ratchet_tree: &[u8],
        group_info: &[u8],
    ) -> Result<(Self, GroupInfoBytes), ValidationError> {
        let tree: RatchetTreeIn = read(ratchet_tree)?;
        let MlsMessageBodyIn::GroupInfo(group_info) = parse_body(group_info)? else {
            return Err(MalformedMessage.into());
        };
        if group_info.ciphersuite() != CIPHERSUITE {
            return Err(ValidationError::Ciphersuite);
        }
        let storage = PublicGroupStorage::default();
        let created: Result<(PublicGroup, GroupInfo), _> =
            PublicGroup::from_external(crypto, &storage, tree, group_info, ProposalStore::default());
        let (group, group_info) = created.map_err(|error| ValidationError::Invalid(error.to_string()))?;
        let state = Self { group, storage, pending: Vec::new() };
        for (index, leaf) in state.group.treesync().full_leaves() {
            LeafView::new(index.u32(), leaf)?;
        }
        Ok((state, GroupInfoBytes::new(group_info)?))
    }

    /// Checks that the group is new: at epoch 0, with one member and no history.
    ///
    /// # Errors
    /// [`NotFresh`] if it is not.
    pub fn check_fresh(&self) -> Result<(), NotFresh> {
        let members: Vec<_> = self.group.treesync().full_leaves().map(|(index, _)| index.u32()).collect();
        let history = !self.context().confirmed_transcript_hash().is_empty() || !self.pending.is_empty();
        if self.epoch() == 0 && members == [0] && !history { Ok(()) } else { Err(NotFresh) }
    }

    /// Returns the state as one blob, for its row.
    ///
    /// # Errors
    /// [`StoredStateError::Unwritable`], for states far larger than any group's.
    pub fn snapshot(&self) -> Result<Vec<u8>, StoredStateError> {
        self.storage.snapshot(&self.group)
    }

    /// Reads the state that [`GroupState::snapshot`] returned. Signatures are not checked again.
    ///
    /// # Errors
    /// [`StoredStateError`] if it is damaged or not this group's.
    pub fn load(bytes: &[u8], group_id: &[u8]) -> Result<Self, StoredStateError> {
        let (group, storage) = PublicGroupStorage::load(bytes, group_id)?;
        let queued = group.queued_proposals(&storage)?;
        let pending = queued.iter().map(|(_, proposal)| PendingProposal::new(proposal));
        let pending = pending.collect::<Option<_>>().ok_or(StoredStateError::Malformed)?;
        Ok(Self { group, storage, pending })
    }

    /// The current epoch.
    pub fn epoch(&self) -> u64 {
        self.context().epoch().as_u64()
    }

    /// The tree hash (RFC 9420 §7.8) of the current epoch's ratchet tree.
    pub fn tree_hash(&self) -> &[u8] {
        self.context().tree_hash()
    }

    /// The encoded `GroupContext` (RFC 9420 §8.1) of the current epoch, which a GroupInfo of this epoch has
    /// to contain.
    pub fn group_context(&self) -> Vec<u8> {
        encode(self.context())
    }

    /// The MLS group id.
    pub fn group_id(&self) -> &[u8] {
        self.group.group_id().as_slice()
    }

    /// All members, ascending by leaf index.
    pub fn members(&self) -> Vec<LeafView> {
        self.group
            .treesync()
            .full_leaves()
            .filter_map(|(index, leaf)| LeafView::new(index.u32(), leaf).ok())
            .collect()
    }

    /// The member at `index`, if there is one.
    pub fn leaf(&self, index: u32) -> Option<LeafView> {
        let leaf = self.group.leaf(LeafNodeIndex::new(index))?;
        LeafView::new(index, leaf).ok()
    }

    /// The proposals that wait for a commit, in the order in which they were made.
    pub fn pending_proposals(&self) -> &[PendingProposal] {
        &self.pending
    }

    /// The encoded ratchet tree, for joiners.
    pub fn export_tree(&self) -> Vec<u8> {
        encode(&self.group.export_ratchet_tree())
    }

    /// The content of the roles extension, if the group has one.
    pub fn roles(&self) -> Option<Vec<u8>> {
        roles(self.context())
    }

    /// The senders outside of the group whose proposals its members accept, in the order by which proposals
    /// name them.
    pub fn external_senders(&self) -> Vec<ExternalSenderView> {
        external_senders(self.context())
    }

    pub(super) fn context(&self) -> &GroupContext {
        self.group.group_context()
    }
}
