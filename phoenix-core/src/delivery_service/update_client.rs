//! PROTOCOL.md §8, Updating a leaf — a member renews its leaf, and with it commits all that is pending.

use std::collections::BTreeSet;

use super::{
    commit::StagedCommit,
    fan_out::FanOut,
    group::{self, Group},
    roster::{Leaf, Roster},
    sections::{RestSection, check_secret_length},
};
use crate::{
    error::Refusal,
    mls::CommitSummary,
    operation::{Interrupt, Lane, Transaction},
    request::{Call, Serve},
    wire::{
        delivery_service::{CommitReply, UpdateClient},
        envelope::RequestEnvelope,
        fan_out::Receipt,
    },
};

impl Serve for UpdateClient {
    fn lane(&self, _: &RequestEnvelope) -> Lane {
        Lane::group(&self.group)
    }

    fn serve(transaction: &mut Transaction<'_>, call: &Call<'_, Self>) -> Result<CommitReply, Interrupt> {
        let body = call.body;
        let (group, members) = Group::open(transaction, &body.group)?;
        let sender = group::authenticate(transaction, call, &members)?.clone();
        call.redeem(transaction)?;
        let mut roster = Roster::read(transaction, &group, members)?;
        let staged = StagedCommit::validate(transaction, &group, body.commit.as_slice(), &body.group_info)?;
        staged.check_committer(sender.leaf)?;
        staged.check_pending_covered()?;
        let summary = staged.summary();
        check_own_leaf_only(summary)?;
        let receipt = Receipt { request_id: call.envelope.request_id, epoch: summary.epoch_after };
        let fan_out = FanOut::new(&body.commit, &roster.members.members, sender.leaf, receipt)?;
        if Leaf::from(&summary.committer).identity(transaction.context())? != sender.identity {
            return Err(Refusal::CommitNotAllowed.into());
        }
        renew_profile(&staged, &mut roster.rest, sender.leaf)?;
        if let Some(member) = roster.members.find_mut(sender.leaf) {
            member.key = summary.committer.signature_key;
            member.active = transaction.now().month();
        }
        let removed: BTreeSet<u32> = summary.removes.iter().map(|remove| remove.leaf).collect();
        roster.remove(&removed);
        staged.apply(transaction, group, roster, fan_out)
    }
}

/// Makes sure that the committer adds nothing of its own but a path: its commit covers the proposals that
/// were pending, and renews its leaf.
fn check_own_leaf_only(summary: &CommitSummary) -> Result<(), Refusal> {
    let own_changes = !summary.adds.is_empty()
        || summary.group_context_changes
        || summary.proposals.iter().any(|proposal| !proposal.by_reference);
    if own_changes || !summary.has_path { Err(Refusal::CommitNotAllowed) } else { Ok(()) }
}

/// A commit carries a new encrypted credential if and only if it changes the leaf's credential.
fn renew_profile(staged: &StagedCommit, rest: &mut RestSection, leaf: u32) -> Result<(), Refusal> {
    let changed = staged.credential_changes(leaf);
    match (changed, &*staged.data.encrypted_credentials) {
        (true, [credential]) => {
            check_secret_length(credential)?;
            if let Some(profile) = rest.credentials.iter_mut().find(|profile| profile.leaf == leaf) {
                profile.encrypted_credential = credential.clone();
            }
            Ok(())
        }
        (false, []) => Ok(()),
        _ => Err(Refusal::CredentialCount),
    }
}
