//! PROTOCOL.md §8, Commits — what all commits have in common: validated as a member would, applied, fanned out.

use super::{
    fan_out::FanOut,
    group::Group,
    sections::{Member, MembersSection, RestSection, Section, check_secret},
    welcome,
};
use crate::{
    codec::{Bytes, decode},
    credentials::{LeafCredential, validation::validate_leaf_possession},
    crypto::{provider::MlsCrypto, sign::VerifyingKey},
    error::Refusal,
    identifiers::LeafIdentity,
    mls::{self, CommitError, CommitSender, CommitSummary, GroupInfoUpdate, Roles, StagedChange},
    operation::{Context, Interrupt, Transaction},
    wire::{
        delivery_service::{CommitData, CommitReply, LeafProfile},
        fan_out::ClientQueueConfig,
    },
};

/// A commit that stands validation, with the state that it applies to.
pub(super) struct Staged {
    state: mls::GroupState,
    change: StagedChange,
    /// Its additional data.
    pub data: CommitData,
}

impl Staged {
    /// Validates `commit` against the group as it is.
    pub fn new<const MAX: usize>(
        transaction: &mut Transaction<'_>,
        group: &Group,
        (commit, update): (&Bytes<MAX>, &GroupInfoUpdate),
    ) -> Result<Self, Interrupt> {
        let state = group.tree(transaction)?;
        let crypto = MlsCrypto::with_memo(transaction.random().array(), transaction.homeserver().hash_memo());
        let change = state.stage_commit(&crypto, commit.as_slice(), update).map_err(refusal)?;
        let data = decode(&change.summary().authenticated_data).map_err(|_| Refusal::Malformed)?;
        Ok(Self { state, change, data })
    }

    /// What the commit is and does.
    pub fn summary(&self) -> &CommitSummary {
        self.change.summary()
    }

    /// Makes sure that the authenticated sender of the request is the committer.
    pub fn check_committer(&self, sender: u32) -> Result<(), Refusal> {
        match self.summary().sender {
            CommitSender::Member(leaf) if leaf == sender => Ok(()),
            _ => Err(Refusal::CommitNotAllowed),
        }
    }

    /// Makes sure that the committer stays who it is: what the delivery service knows it by follows a change of its
    /// key or credential in `update_client` alone.
    pub fn check_same_leaf(&self, sender: &Member) -> Result<(), Refusal> {
        let same_key = self.summary().committer.signature_key == sender.key;
        if same_key && !self.credential_changes(sender.leaf) {
            Ok(())
        } else {
            Err(Refusal::CommitNotAllowed)
        }
    }

    /// Makes sure that nothing waits to be committed first, or that the commit covers it all.
    pub fn check_pending(&self) -> Result<(), Refusal> {
        self.summary().require_pending_covered().map_err(|_| Refusal::PendingProposals)
    }

    /// Whether the leaf's credential is another one after the commit.
    pub fn credential_changes(&self, leaf: u32) -> bool {
        self.state.leaf(leaf).is_none_or(|before| before.credential != self.summary().committer.credential)
    }

    /// Whether any proposal waits.
    pub fn has_pending(&self) -> bool {
        !self.state.pending_proposals().is_empty()
    }

    /// Applies the commit, and fans it out. `members` and `rest` are as they will be; `recipients` are those who
    /// get the commit: the members before it.
    pub fn apply(
        mut self,
        transaction: &mut Transaction<'_>,
        mut group: Group,
        (mut members, mut rest): (MembersSection, RestSection),
        fan_out: FanOut,
    ) -> Result<CommitReply, Interrupt> {
        let summary = self.change.summary();
        let epoch = summary.epoch_after;
        members.epoch = epoch;
        members.roles = Roles::read(summary.roles_after.as_deref());
        let group_info = summary.group_info.as_slice().to_vec();
        rest.group_info = group_info.try_into().map_err(|_| Refusal::GroupFull)?;
        let adds = summary.adds.clone();
        self.state.merge(self.change).map_err(|_| Refusal::Internal)?;
        if !adds.is_empty() {
            welcome::keep(transaction, &mut group, (&self.state, &mut rest), &adds)?;
        }
        group.write_tree(transaction, &self.state)?;
        group.write(transaction, Section::Members, &members)?;
        group.write(transaction, Section::Rest, &rest)?;
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

/// The pseudonymous identity that a leaf's credential gives, once its possession is proved.
pub(super) fn pseudonym(
    context: &Context,
    credential: &[u8],
    key: &VerifyingKey,
) -> Result<LeafIdentity, Refusal> {
    let credential: LeafCredential = decode(credential).map_err(|_| Refusal::Malformed)?;
    let pseudonym = validate_leaf_possession(&credential, context.now())?;
    if pseudonym.verifying_key() != key {
        return Err(Refusal::InvalidMlsMessage);
    }
    Ok(*pseudonym.identity())
}

/// Adds a member and its profile, unless its identity is in the group or among its admins already.
pub(super) fn add_member(
    context: &Context,
    (members, rest): (&mut MembersSection, &mut RestSection),
    (leaf, credential, key): (u32, &[u8], &VerifyingKey),
    queue_config: ClientQueueConfig,
    profile: LeafProfile,
) -> Result<(), Refusal> {
    queue_config.check_length()?;
    check_secret(&profile.encrypted_credential)?;
    let identity = pseudonym(context, credential, key)?;
    let taken = members.members.iter().any(|member| member.identity == identity);
    if taken || members.roles.is_admin(&identity) {
        return Err(Refusal::InvalidMlsMessage);
    }
    let member = Member { leaf, identity, key: *key, queue_config, active: context.now().month() };
    members.members.push(member).map_err(|_| Refusal::GroupFull)?;
    members.members.sort_by_key(|member| member.leaf);
    rest.credentials.push(profile).map_err(|_| Refusal::GroupFull)?;
    rest.credentials.sort_by_key(|profile| profile.leaf);
    Ok(())
}
