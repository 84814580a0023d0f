//! PROTOCOL.md §8 — the state of a group, in sections encrypted under the group's key, so that a message reads
//! only what it needs.
//!
//! Each section is padded to size buckets and bound to its group, kind and generation. The head row names the
//! generation of each section, so that an old section cannot be put back beside new ones.

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

/// An encrypted section.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct GroupSection(pub EarCiphertext);

/// Names a section of a group.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct SectionName {
    /// The group.
    pub group: GroupUuid,
    /// Which section.
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
    /// The MLS public group: what validating a commit needs.
    #[tls_codec(discriminant = 1)]
    Tree,
    /// The members: what fan-out and authentication need.
    #[tls_codec(discriminant = 2)]
    Members,
    /// What only those need who join or commit.
    #[tls_codec(discriminant = 3)]
    Rest,
    /// The tree and credentials of an epoch in which users joined who have not picked them up. Written once.
    #[tls_codec(discriminant = 4)]
    Past(u64),
}

/// The MLS public group.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct TreeSection {
    pub snapshot: Bytes<{ 12 << 20 }>,
}

/// The members.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct MembersSection {
    /// The current epoch.
    pub epoch: u64,
    /// Who may change the membership.
    pub roles: Roles,
    /// By leaf, ascending.
    pub members: List<Member, MAX_MEMBERS>,
}

/// A member as the delivery service knows it: a pseudonym of this group.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Member {
    /// Where in the tree.
    pub leaf: u32,
    /// Unique in the group, whatever the leaf.
    pub identity: LeafIdentity,
    /// The leaf's key.
    pub key: VerifyingKey,
    /// Where its messages go.
    pub queue_config: ClientQueueConfig,
    /// When it last committed.
    pub active: Month,
}

/// Makes sure that what is encrypted for other clients is not longer than it can be.
pub(super) fn check_secret(secret: &EarCiphertext) -> Result<(), Refusal> {
    let long = secret.ciphertext.as_slice().len() > MAX_MEMBER_SECRET;
    if long { Err(Refusal::TooLarge { limit: MAX_MEMBER_SECRET as u64 }) } else { Ok(()) }
}

impl MembersSection {
    /// The member at `leaf`.
    pub fn find(&self, leaf: u32) -> Option<&Member> {
        self.members.iter().find(|member| member.leaf == leaf)
    }

    /// As [`find`](Self::find), to change it.
    pub fn find_mut(&mut self, leaf: u32) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.leaf == leaf)
    }
}

/// What only those need who join or commit.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct RestSection {
    /// The verified GroupInfo of the current epoch.
    pub group_info: GroupState,
    /// The members' encrypted credentials, by leaf, ascending.
    pub credentials: List<LeafProfile, MAX_MEMBERS>,
    /// Epochs in which users joined who have not picked up their welcome information, oldest first.
    pub past: List<PastEpoch, MAX_PAST_EPOCHS>,
}

/// So many joins may wait to be picked up; then the oldest joiners have to resync.
pub(super) const MAX_PAST_EPOCHS: usize = 32;

/// An epoch in which users joined, and who of them has not been seen yet.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct PastEpoch {
    pub epoch: u64,
    pub leaves: List<u32, MAX_ADDS>,
}

/// What joiners of an epoch pick up.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct PastSection {
    pub ratchet_tree: GroupState,
    pub credentials: List<LeafProfile, MAX_MEMBERS>,
    pub joiners: List<Joiner, MAX_ADDS>,
}

/// A joiner, known by its key package until it is merged.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Joiner {
    pub reference: Hash,
    pub key: VerifyingKey,
}
