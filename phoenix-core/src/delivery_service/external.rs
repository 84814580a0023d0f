//! PROTOCOL.md §8, Joining by external commit — what it takes, and the join that accepts a connection.

use super::{
    commit::StagedCommit,
    fan_out::FanOut,
    group::{self, Group},
    roster::{Leaf, Roster},
    sections::{RestSection, Section},
};
use crate::{
    codec::{Flag, List},
    config::Plant,
    error::Refusal,
    mls::{CommitSender, ProposalKind},
    operation::{Interrupt, Lane, Transaction},
    request::{Call, Serve},
    wire::{
        delivery_service::{CommitReply, ExternalCommitInfo, ExternalCommitInfoReply, JoinConnectionGroup},
        envelope::RequestEnvelope,
        fan_out::Receipt,
    },
};

/// Members get it by their signature. While the group awaits a connection, the group's key alone is enough.
impl Serve for ExternalCommitInfo {
    fn lane(&self, _: &RequestEnvelope) -> Lane {
        Lane::group(&self.group)
    }

    fn serve(
        transaction: &mut Transaction<'_>,
        call: &Call<'_, Self>,
    ) -> Result<ExternalCommitInfoReply, Interrupt> {
        let (group, members) = Group::open(transaction, &call.body.group)?;
        if call.envelope.authentication.is_some() {
            group::authenticate(transaction, call, &members)?;
        } else if awaits_connection(transaction, &group) {
            call.accept_proof(transaction);
        } else {
            return Err(Refusal::Unauthenticated.into());
        }
        call.redeem(transaction)?;
        let rest: RestSection = group.read(transaction, Section::Rest)?;
        let state = group.tree(transaction)?;
        Ok(ExternalCommitInfoReply {
            group_info: rest.group_info,
            ratchet_tree: state.export_tree().try_into().map_err(|_| Refusal::GroupFull)?,
            credentials: rest.credentials,
            proposals: List::default(),
        })
    }
}

fn awaits_connection(transaction: &Transaction<'_>, group: &Group) -> bool {
    group.head.awaiting_connection == Flag::Yes || transaction.planted(Plant::IgnoreAwaiting)
}

/// A group that awaits a connection takes one join from outside, and awaits no other then.
impl Serve for JoinConnectionGroup {
    fn lane(&self, _: &RequestEnvelope) -> Lane {
        Lane::group(&self.group)
    }

    fn serve(transaction: &mut Transaction<'_>, call: &Call<'_, Self>) -> Result<CommitReply, Interrupt> {
        let body = call.body;
        let (mut group, members) = Group::open(transaction, &body.group)?;
        // The key is the proof: without it, the members' section does not open.
        call.accept_proof(transaction);
        call.redeem(transaction)?;
        if !awaits_connection(transaction, &group) {
            return Err(Refusal::NotAwaitingConnection.into());
        }
        let mut roster = Roster::read(transaction, &group, members)?;
        let staged = StagedCommit::validate(transaction, &group, body.commit.as_slice(), &body.group_info)?;
        let summary = staged.summary();
        if summary.sender != CommitSender::NewMember || !summary.is_only_inline(ProposalKind::ExternalInit) {
            return Err(Refusal::CommitNotAllowed.into());
        }
        let [credential] = &*staged.data.encrypted_credentials else {
            return Err(Refusal::CredentialCount.into());
        };
        let joiner = Leaf::from(&summary.committer);
        let queue_config = body.queue_config.clone();
        roster.add(transaction.context(), joiner, queue_config, credential.clone())?;
        group.head.awaiting_connection = Flag::No;
        let receipt = Receipt { request_id: call.envelope.request_id, epoch: summary.epoch_after };
        let fan_out = FanOut::new(&body.commit, &roster.members.members, joiner.index, receipt)?;
        staged.apply(transaction, group, roster, fan_out)
    }
}
