//! Marks: which bounds a world has met.

use phoenix_core::{
    client::Event as ClientEvent,
    codec::{decode, encode},
    crypto::ratchet::{QueueEntry, QueueEntryContent},
    error::Refusal,
    identifiers::{Domain, GroupId, RequestId, StreamName},
    store::{Commit, RecordKind},
    wire::{
        auth_service::GetConnectionPackageReply,
        envelope::{RequestEnvelope, ResponseEnvelope},
        fan_out::GapReason,
        federation::{EnqueueFederated, FramePayload},
        operations::OperationKind,
        queuing_service::GetKeyPackageReply,
    },
};

use super::{
    call::{CallId, Caller},
    state::World,
};
use crate::plan::Bound;

impl World {
    pub(super) fn meet(&mut self, bound: Bound) {
        *self.report.bounds.entry(bound).or_default() += 1;
    }

    /// Marks the first of these bounds of which there is little.
    fn meet_scarce(&mut self, bounds: &[Bound]) {
        if let Some(bound) = bounds.iter().find(|bound| self.plan.is_small(**bound)) {
            self.meet(*bound);
        }
    }

    /// Marks the bound for which homeserver `server` has refused a request.
    pub(super) fn mark_refusal(&mut self, server: usize, call: CallId, request: &[u8], refusal: &Refusal) {
        let Ok((operation, _)) = RequestEnvelope::read(request) else { return };
        match (operation, refusal) {
            (OperationKind::InitRegistration, Refusal::RateLimited { .. }) => self.meet(Bound::Registrations),
            (OperationKind::IssueTokens, Refusal::RateLimited { retry_after_milliseconds }) => {
                let caller = self.calls.get(&call).map(|call| &call.caller);
                let is_local =
                    matches!(caller, Some(Caller::User { user, .. }) if self.users[*user].server == server);
                let mut others =
                    [Bound::DomainTokens, Bound::NewDomains, Bound::TokenAllowance, Bound::FirstContacts];
                // Strangers wait for a second at most, for tokens mostly longer.
                if *retry_after_milliseconds <= 1000 {
                    others.rotate_right(1);
                }
                self.meet_scarce(if is_local { &[Bound::TokenAllowance] } else { &others });
            }
            (OperationKind::EnqueueFederated, Refusal::RateLimited { .. }) => {
                self.meet_scarce(&[Bound::SourceRate, Bound::FirstContacts]);
            }
            (OperationKind::EnqueueDirect, Refusal::QueueFull) => self.meet(Bound::DirectQueue),
            (OperationKind::IssueTokens, Refusal::UnknownTokenKey) | (_, Refusal::TokenNeeded) => {
                self.meet(Bound::TokenKey);
            }
            _ => {}
        }
    }

    /// Marks the bound that a client is told of.
    pub(super) fn mark_event(&mut self, event: &ClientEvent) {
        match event {
            ClientEvent::Gap { reason: GapReason::QueueFull, .. } => self.meet(Bound::FanOutQueue),
            ClientEvent::Gap { reason: GapReason::Rate, .. } => {
                self.meet_scarce(&[Bound::MembershipRate, Bound::ClientRate]);
            }
            _ => {}
        }
    }

    /// Marks that entries of an outbox were dropped.
    pub(super) fn mark_dropped(&mut self) {
        self.meet_scarce(&[Bound::OutboxEntries, Bound::OutboxAge]);
    }

    /// Marks a frame that is full, or begins an epoch of its stream that is not the first.
    pub(super) fn mark_request(&mut self, from: usize, request: &[u8]) {
        let Ok((OperationKind::EnqueueFederated, envelope)) = RequestEnvelope::read(request) else { return };
        let Ok(EnqueueFederated { frame }) = decode(envelope.body.as_slice()) else { return };
        let FramePayload::Batch(batch) = &frame.content.payload else { return };
        if batch.entries.len() as u64 == self.servers[from].config.sizes.batch_entries {
            self.meet(Bound::Batch);
        }
        if batch.epoch > 0 {
            self.meet(Bound::StreamEpoch);
        }
    }

    /// Marks a package that was handed out before.
    pub(super) fn mark_reply(&mut self, request: &[u8], reply: &[u8]) {
        let Ok((operation, envelope)) = RequestEnvelope::read(request) else { return };
        let (bound, packages) = match operation {
            OperationKind::GetKeyPackage => {
                let Ok(Ok(reply)) = ResponseEnvelope::read::<GetKeyPackageReply>(reply) else { return };
                (Bound::KeyPackages, reply.packages.iter().map(encode).collect::<Vec<_>>())
            }
            OperationKind::GetConnectionPackage => {
                let Ok(Ok(reply)) = ResponseEnvelope::read::<GetConnectionPackageReply>(reply) else {
                    return;
                };
                (Bound::ConnectionPackages, vec![encode(&reply.package)])
            }
            _ => return,
        };
        let id: RequestId = envelope.request_id;
        for package in packages {
            if *self.handed_out.entry(package).or_insert(id) != id {
                self.meet(bound);
            }
        }
    }

    /// Marks what a commit does only where a bound was met.
    pub(super) fn mark_commit(&mut self, server: usize, commit: &Commit) {
        let of = |kind: RecordKind| commit.writes.iter().filter(move |write| write.key.kind() == kind);
        let rotates = of(RecordKind::FanOutQueueEntry).any(|write| {
            // The row is one byte for its format, then the entry.
            let entry = write.bytes.as_ref().and_then(|bytes| decode::<QueueEntry>(bytes.get(1..)?).ok());
            entry.is_some_and(|entry| matches!(entry.content, QueueEntryContent::Rotation(_)))
        });
        let is_distribution = of(RecordKind::FanOutProgress).next().is_some();
        let is_part = is_distribution && of(RecordKind::FanOutRow).next().is_none();
        if is_distribution && self.oracles.excused.permitted.permits_missing() {
            let lost = of(RecordKind::OutboundEntry).filter(|write| write.bytes.is_none());
            let streams = lost.filter_map(|write| {
                let name = write.key.name();
                decode::<StreamName>(name.get(..name.len().checked_sub(8)?)?).ok()
            });
            let destinations: Vec<Domain> = streams.map(|stream| stream.destination).collect();
            destinations.into_iter().for_each(|destination| self.forgets(server, destination));
        }
        if rotates {
            self.meet(Bound::QueueRotation);
        }
        if is_part {
            self.meet(Bound::Recipients);
        }
    }

    /// Notes that a homeserver has forgotten what waited for another one, and whom to tell of it.
    fn forgets(&mut self, server: usize, to: Domain) {
        let from = self.servers[server].domain.clone();
        for user in 0..self.users.len() {
            if self.servers[self.users[user].server].domain == to {
                let groups: Vec<GroupId> =
                    self.groups.values().filter(|group| group.domain == from).cloned().collect();
                groups.iter().for_each(|group| self.give_up_group(user, group));
            }
        }
        self.oracles.excused.forgets(from, to);
    }
}
