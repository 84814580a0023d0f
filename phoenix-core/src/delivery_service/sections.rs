//! PROTOCOL.md §8, State — the state of a group, in sections encrypted under the group's key, so that a
//! message reads only what it needs.
//!
//! Each section is padded to size buckets, so that its length does not tell the number of members, and bound
//! to its group, kind and generation. The head row names the generation of each section, so that an old
//! section cannot be put back beside new ones.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    codec::{Bytes, List},
    crypto::{aead::EarCiphertext, kdf::Hash, sign::VerifyingKey},
    error::Refusal,
    identifiers::{GroupUuid, LeafIdentity},
    limits::{MAX_ADDS, MAX_MEMBER_SECRET, MAX_MEMBERS},
    mls::Roles,
    store::{Record, RecordKind},
    time::Month,
    wire::{
        delivery_service::{GroupState, LeafProfile},
        fan_out::ClientQueueConfig,
    },
};

/// A section as it is stored: padded, and encrypted under the group's key.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct GroupSection(pub EarCiphertext);

/// The name of a section's row.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct SectionName {
    /// The group among those of this homeserver.
    pub group: GroupUuid,
    /// The section among those of the group.
    pub section: Section,
}

impl Record for GroupSection {
    type Name = SectionName;
    const KIND: RecordKind = RecordKind::GroupSection;
}

/// The sections of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub(super) enum Section {
    /// A [`TreeSection`]: what validating a commit needs.
    #[tls_codec(discriminant = 1)]
    Tree,
    /// A [`MembersSection`]: what fan-out and authentication need.
    #[tls_codec(discriminant = 2)]
    Members,
    /// A [`RestSection`]: what only joins and commits need.
    #[tls_codec(discriminant = 3)]
    Rest,
    /// A [`PastSection`], by its epoch: what the joiners of that epoch have not all picked up. Written once.
    #[tls_codec(discriminant = 4)]
    Past(u64),
}

/// The MLS public group: tree, group context, interim transcript hash and pending proposals.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct TreeSection {
    /// As [`mls::GroupState::snapshot`](crate::mls::GroupState::snapshot) writes it.
    pub snapshot: Bytes<{ 12 << 20 }>,
}

/// Epoch, roles and members: all that an application message needs.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct MembersSection {
    /// The group's current epoch.
    pub epoch: u64,
    /// The admins, who may change the membership.
    pub roles: Roles,
    /// All members, by leaf, ascending.
    pub members: List<Member, MAX_MEMBERS>,
}

/// A member as the delivery service knows it: a pseudonym of this group.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Member {
    /// Its place in the ratchet tree. MLS gives it to another member once this one is gone.
    pub leaf: u32,
    /// What the member is known by for as long as it is one.
    pub identity: LeafIdentity,
    /// The leaf's signature key, which authenticates its requests.
    pub key: VerifyingKey,
    /// Where its messages go.
    pub queue_config: ClientQueueConfig,
    /// The month of its last commit.
    pub active: Month,
}

/// Makes sure that a credential or attribution, which only other clients can open, is not longer than one can
/// be.
///
/// # Errors
/// [`Refusal::TooLarge`] with [`MAX_MEMBER_SECRET`].
pub(super) fn check_secret_length(secret: &EarCiphertext) -> Result<(), Refusal> {
    let long = secret.ciphertext.as_slice().len() > MAX_MEMBER_SECRET;
    if long { Err(Refusal::TooLarge { limit: MAX_MEMBER_SECRET as u64 }) } else { Ok(()) }
}

impl MembersSection {
    /// Returns the member at `leaf`, if there is one.
    pub fn find(&self, leaf: u32) -> Option<&Member> {
        self.members.iter().find(|member| member.leaf == leaf)
    }

    /// Returns the member at `leaf`, to change it.
    pub fn find_mut(&mut self, leaf: u32) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.leaf == leaf)
    }
}

/// What only joins and commits need.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct RestSection {
    /// The verified GroupInfo of the current epoch, an MLSMessage: what an external commit starts from.
    pub group_info: GroupState,
    /// The members' encrypted credentials, by leaf, ascending.
    pub credentials: List<LeafProfile, MAX_MEMBERS>,
    /// The epochs whose joiners have not all picked up their welcome information, oldest first.
    pub past: List<PastEpoch, MAX_PAST_EPOCHS>,
}

/// Epochs that wait for their joiners. When there are more, the oldest goes, and its joiners have to resync.
pub(super) const MAX_PAST_EPOCHS: usize = 32;

/// An epoch in which users joined, and who of them has not picked up its welcome information.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct PastEpoch {
    /// The epoch that the commit which added them led to.
    pub epoch: u64,
    /// The leaves of those who have not.
    pub leaves: List<u32, MAX_ADDS>,
}

/// What the joiners of an epoch pick up, all as of that epoch.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct PastSection {
    /// The MLS ratchet tree.
    pub ratchet_tree: GroupState,
    /// The members' encrypted credentials, by leaf, ascending.
    pub credentials: List<LeafProfile, MAX_MEMBERS>,
    /// Who may fetch all this.
    pub joiners: List<Joiner, MAX_ADDS>,
}

/// A joiner, known by its key package until it is heard of as a member.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Joiner {
    /// The KeyPackageRef of its key package.
    pub reference: Hash,
    /// The leaf key in its key package, which authenticates it.
    pub key: VerifyingKey,
}
