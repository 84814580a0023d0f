//! PROTOCOL.md §8 — joining by external commit: what it takes, and the one that accepts a connection.

use super::{
    commit::{Staged, add_member},
    fan_out::FanOut,
    group::{self, Group},
    sections::{RestSection, Section},
};
use crate::{
    codec::{Flag, List},
    error::Refusal,
    mls::{CommitSender, ProposalKind},
    operation::{Interrupt, Lane, Transaction},
    request::{Call, Serve},
    wire::{
        delivery_service::{
            CommitReply, ExternalCommitInfo, ExternalCommitInfoReply, JoinConnectionGroup, LeafProfile,
        },
        envelope::RequestEnvelope,
    },
};

/// `external_commit_info`: for members; for others only while the group awaits a connection.
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
        } else if group.head.awaiting_connection == Flag::Yes {
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

/// `join_connection_group`: the one external join of a group that awaits it.
impl Serve for JoinConnectionGroup {
    fn lane(&self, _: &RequestEnvelope) -> Lane {
        Lane::group(&self.group)
    }

    fn serve(transaction: &mut Transaction<'_>, call: &Call<'_, Self>) -> Result<CommitReply, Interrupt> {
        let body = call.body;
        let (mut group, mut members) = Group::open(transaction, &body.group)?;
        // Having the key is the proof: nobody else could open the members' section.
        call.accept_proof(transaction);
        call.redeem(transaction)?;
        if group.head.awaiting_connection != Flag::Yes {
            return Err(Refusal::NotAwaitingConnection.into());
        }
        let mut rest: RestSection = group.read(transaction, Section::Rest)?;
        let staged = Staged::new(transaction, &group, (&body.commit, &body.group_info))?;
        let summary = staged.summary();
        if summary.sender != CommitSender::NewMember || !summary.is_only_inline(ProposalKind::ExternalInit) {
            return Err(Refusal::CommitNotAllowed.into());
        }
        let [credential] = &*staged.data.encrypted_credentials else {
            return Err(Refusal::CredentialCount.into());
        };
        let joiner = &summary.committer;
        let profile = LeafProfile { leaf: joiner.index, encrypted_credential: credential.clone() };
        let leaf = (joiner.index, joiner.credential.as_slice(), &joiner.signature_key);
        add_member(
            transaction.context(),
            (&mut members, &mut rest),
            leaf,
            body.queue_config.clone(),
            profile,
        )?;
        group.head.awaiting_connection = Flag::No;
        let about = (call.envelope.request_id, summary.epoch_after);
        let fan_out = FanOut::new(&body.commit, &members.members, joiner.index, about)?;
        staged.apply(transaction, group, (members, rest), fan_out)
    }
}
