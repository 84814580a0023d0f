//! Rights in groups that the sender does not have (PROTOCOL.md §8).
//!
//! What a member may do, and harm with, is left out: a request that a delivery service carries out in the
//! lender's name tells the lender's client by its receipt that there is another copy of it (§11.15), and it
//! gives the group up. So no attack here is a valid commit or message of a member, whatever is inside.

use phoenix_core::{
    client::LentGroup,
    crypto::aead::EarKey,
    identifiers::{GroupId, GroupUuid},
    mls,
    time::Timestamp,
    wire::{
        delivery_service::{
            AddUsers, CreateGroup, ExternalCommitInfo, GroupAccess, JoinConnectionGroup, SendMessage,
            UpdateClient,
        },
        envelope::Sender,
        operations::{OperationKind, Request},
    },
};

use crate::malice::{
    attempt::{Attempt, Expected, Standing},
    forging::{access, group_of, sign, with_body},
    knowledge::{Heard, Lender, Malice},
};

/// The leaf of a group's creator, who is its only admin (§8.3): nothing changes roles yet.
const ADMIN: u32 = 0;

impl Malice {
    /// A membership of the lender that is `wanted`, and the index of its homeserver.
    pub(super) fn membership<'a>(
        &mut self,
        lender: &'a Lender,
        wanted: impl Fn(&LentGroup) -> bool,
    ) -> Option<(&'a LentGroup, usize)> {
        let groups = lender.keys.groups.iter();
        let groups: Vec<&LentGroup> =
            groups.filter(|group| Standing::of(group).is_some() && wanted(group)).collect();
        let group = groups[self.pick(groups.len())?];
        Some((group, self.index(&group.group_id.domain)?))
    }

    /// Adds users to a group in which the lender is no admin (§8.6).
    pub(super) fn no_admin(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let heard = self.heard_of(OperationKind::AddUsers, |_| true)?;
        let Request::AddUsers(body) = heard.request else { return None };
        let (group, to) = self.membership(lender, |group| group.leaf != ADMIN)?;
        let mut envelope = self.request(to, now, &AddUsers { group: access(group), ..body })?;
        envelope.token = Some(self.token(lender, to)?);
        Some(lender.prove(envelope)?.attempt("no admin", lender, to, &[604]))
    }

    /// Adds users whose key packages no queuing service has signed for (§8.6).
    pub(super) fn unsigned_batch(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let own = |heard: &Heard| heard.is_of(lender);
        let heard = self.heard_of(OperationKind::AddUsers, own)?;
        let Request::AddUsers(mut body) = heard.request else { return None };
        lender.group(&body.group.group_id).filter(|group| group.leaf == ADMIN)?;
        body.batches.first_mut()?.signature.0[0] ^= 1;
        let mut envelope = with_body(self.anew(&heard.envelope, now), &body)?;
        envelope.token = Some(self.token(lender, heard.to)?);
        Some(lender.prove(envelope)?.attempt("unsigned batch", lender, heard.to, &[609]))
    }

    /// Another member's commit, in the lender's own name (§8.5).
    pub(super) fn anothers_commit(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let others = |heard: &Heard| !heard.is_of(lender) && Self::is_in(lender, heard);
        let heard = self.heard_of(OperationKind::UpdateClient, others)?;
        let mut envelope = self.anew(&heard.envelope, now);
        envelope.token = Some(self.token(lender, heard.to)?);
        Some(lender.prove(envelope)?.attempt("another's commit", lender, heard.to, &[602, 612]))
    }

    fn is_in(lender: &Lender, heard: &Heard) -> bool {
        group_of(&heard.request).is_some_and(|group| lender.group(&group.group_id).is_some())
    }

    /// A request to a group that the lender is not in, with the group's key, which was overheard (§8.2).
    pub(super) fn no_member(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let kinds = [OperationKind::SendMessage, OperationKind::UpdateClient, OperationKind::UpdateQueueInfo];
        let heard = self.heard(|heard| kinds.contains(&heard.kind) && !Self::is_in(lender, heard))?;
        let mut envelope = self.anew(&heard.envelope, now);
        let sender = Sender::Leaf(self.random.below(8) as u32);
        sign(&mut envelope, (sender, &lender.keys.client_key));
        let (name, expected) = ("no member", Expected::Refused(&[200]));
        Some(Attempt::new(name, lender.user, heard.to, &envelope, expected))
    }

    /// A request to a group with another key than the group's, or to a group that does not exist (§8.2).
    pub(super) fn no_group_key(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let (group, to) = self.membership(lender, |_| true)?;
        let mut access = access(group);
        if self.random.below(2) == 0 {
            access.group_key = EarKey::random(&mut self.random);
        } else {
            access.group_id.uuid = GroupUuid(self.random.array());
        }
        let mut envelope = self.request(to, now, &ExternalCommitInfo { group: access })?;
        sign(&mut envelope, (Sender::Leaf(group.leaf), &group.leaf_key));
        let (name, expected) = ("no group key", Expected::Refused(&[600]));
        Some(Attempt::new(name, lender.user, to, &envelope, expected))
    }

    /// Asks with the group's key alone for what it takes to join a group that awaits no one (§8.8).
    pub(super) fn information_for_no_member(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let (group, to) = self.membership(lender, |group| group.leaf != ADMIN)?;
        let envelope = self.request(to, now, &ExternalCommitInfo { group: access(group) })?;
        let (name, expected) = ("information for no member", Expected::Refused(&[200]));
        Some(Attempt::new(name, lender.user, to, &envelope, expected))
    }

    /// Joins a group from outside that awaits no one (§8.8).
    pub(super) fn join_uninvited(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let heard = self.heard_of(OperationKind::JoinConnectionGroup, |_| true)?;
        let Request::JoinConnectionGroup(body) = heard.request else { return None };
        let (group, to) = self.membership(lender, |group| group.leaf != ADMIN)?;
        let body = JoinConnectionGroup { group: access(group), ..body };
        let mut envelope = self.request(to, now, &body)?;
        envelope.token = Some(self.token(lender, to)?);
        let (name, expected) = ("join uninvited", Expected::Refused(&[611]));
        Some(Attempt::new(name, lender.user, to, &envelope, expected))
    }

    /// Creates a group that exists, or whose id was never reserved (§8.3).
    pub(super) fn not_reserved(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let created = |heard: &Heard| heard.is_of(lender) && heard.served == Some(true);
        let heard = self.heard_of(OperationKind::CreateGroup, created)?;
        let Request::CreateGroup(body) = heard.request else { return None };
        let GroupAccess { group_id, group_key } = body.group.clone();
        let exists = self.random.below(2) == 0;
        let uuid = if exists { group_id.uuid } else { GroupUuid(self.random.array()) };
        let group = GroupAccess { group_id: GroupId { uuid, ..group_id }, group_key };
        let mut envelope = with_body(self.anew(&heard.envelope, now), &CreateGroup { group, ..body })?;
        sign(&mut envelope, (Sender::Leaf(0), &lender.keys.client_key));
        let (name, expected) = ("not reserved", Expected::Refused(&[601]));
        Some(Attempt::new(name, lender.user, heard.to, &envelope, expected))
    }

    /// What a joiner needs, asked for by a member: in the name of a leaf, not of a key package (§8.7).
    pub(super) fn information_for_no_joiner(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let heard = self.heard_of(OperationKind::WelcomeInfo, |_| true)?;
        let mut envelope = self.anew(&heard.envelope, now);
        sign(&mut envelope, (Sender::Leaf(ADMIN), &lender.keys.client_key));
        let (name, expected) = ("information for no joiner", Expected::Refused(&[200, 600]));
        Some(Attempt::new(name, lender.user, heard.to, &envelope, expected))
    }

    /// A message to one of the lender's groups, signed and paid for.
    fn message(
        &mut self,
        name: &'static str,
        lender: &Lender,
        now: Timestamp,
        (group, to): (&LentGroup, usize),
        message: Vec<u8>,
        codes: &'static [u16],
    ) -> Option<Attempt> {
        let body = SendMessage { group: access(group), message: message.try_into().ok()? };
        let mut envelope = self.request(to, now, &body)?;
        envelope.token = Some(self.token(lender, to)?);
        Some(lender.prove(envelope)?.attempt(name, lender, to, codes))
    }

    /// A message of an epoch that has passed (§8.10).
    pub(super) fn past_epoch(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let past = |heard: &Heard| match &heard.request {
            Request::SendMessage(body) => {
                let epoch = mls::check_application_message(body.message.as_slice()).map(|view| view.epoch);
                let group = lender.group(&body.group.group_id);
                group.is_some_and(|group| epoch.is_ok_and(|epoch| epoch < group.epoch))
            }
            _ => false,
        };
        let heard = self.heard_of(OperationKind::SendMessage, past)?;
        let Request::SendMessage(body) = heard.request else { return None };
        let group = lender.group(&body.group.group_id)?;
        let bytes = body.message.into_vec();
        self.message("message of a past epoch", lender, now, (group, heard.to), bytes, &[602])
    }

    /// A message of another group (§8.10).
    pub(super) fn another_groups_message(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let heard = self.heard_of(OperationKind::SendMessage, |_| true)?;
        let Request::SendMessage(body) = heard.request else { return None };
        let membership = self.membership(lender, |group| group.group_id != body.group.group_id)?;
        let bytes = body.message.into_vec();
        self.message("another group's message", lender, now, membership, bytes, &[605])
    }

    /// A commit, or what is not MLS at all, as a message: it would bypass all validation (§8.10).
    pub(super) fn no_message(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let commit = self.heard_of(OperationKind::UpdateClient, |_| true);
        let commit = commit.and_then(|heard| match heard.request {
            Request::UpdateClient(body) => Some(body.commit.into_vec()),
            _ => None,
        });
        let noise = self.random.array::<64>().to_vec();
        let bytes = commit.filter(|_| self.random.below(2) == 0).unwrap_or(noise);
        let membership = self.membership(lender, |_| true)?;
        self.message("no message", lender, now, membership, bytes, &[605])
    }

    /// What is not MLS as a commit (§8.5).
    pub(super) fn no_commit(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let (group, to) = self.membership(lender, |_| true)?;
        let heard = self.heard_of(OperationKind::UpdateClient, |_| true)?;
        let Request::UpdateClient(UpdateClient { group_info, .. }) = heard.request else { return None };
        let commit = self.random.array::<64>().to_vec().try_into().ok()?;
        let body = UpdateClient { group: access(group), commit, group_info };
        let mut envelope = self.request(to, now, &body)?;
        envelope.token = Some(self.token(lender, to)?);
        Some(lender.prove(envelope)?.attempt("no commit", lender, to, &[605]))
    }
}
