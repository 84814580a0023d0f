//! What malicious clients try, and what must come of it.

use phoenix_core::{
    client::{LentGroup, LentKeys},
    codec::encode,
    crypto::{sign::VerifyingKey, tokens::TokenRequest},
    identifiers::{GroupId, UserId},
    wire::envelope::RequestEnvelope,
};

/// Names an attempt, in the order in which attempts begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AttemptId(pub(super) u64);

/// A request of an attacker.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The kind of attack, for reports.
    pub name: &'static str,
    /// The index of the user who has lent the keys.
    pub lender: usize,
    /// The index of the homeserver that is attacked.
    pub victim: usize,
    /// The encoded request.
    pub request: Vec<u8>,
    /// What must come of it.
    pub expected: Expected,
    /// The membership that it is made with, as it was then. `None`: it is made with none.
    pub standing: Option<Standing>,
}

/// What must come of an attempt.
#[derive(Debug, Clone)]
pub enum Expected {
    /// It is refused with one of these codes.
    Refused(&'static [u16]),
    /// It is served with a connection package of this user, and not with what another request was answered.
    PackageOf(UserId),
    /// It is served with the tokens that it asks for, and not with those that another request asked for.
    Tokens(TokenRequest),
    /// It is served, since the homeserver cannot see what is wrong with it. Deliveries of the group, which the
    /// lender has made, lead to this user from then on, who must find a gap marker in their place.
    Misdirected {
        /// The group.
        group: GroupId,
        /// The index of the user.
        user: usize,
    },
    /// It is served, since strangers may do so, and no client minds. Other oracles see if one does.
    Harmless,
}

/// How the delivery service of a group knows a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    group: GroupId,
    leaf: u32,
    key: VerifyingKey,
    epoch: u64,
}

impl Standing {
    /// Returns the standing of a member as its client sees it. `None` if the delivery service may see another
    /// one.
    pub(super) fn of(group: &LentGroup) -> Option<Self> {
        let standing = Self {
            group: group.group_id.clone(),
            leaf: group.leaf,
            key: group.leaf_key.verifying_key(),
            epoch: group.epoch,
        };
        (!group.is_changing).then_some(standing)
    }
}

impl Attempt {
    /// Creates an attempt that is made with no membership.
    pub(super) fn new(
        name: &'static str,
        lender: usize,
        victim: usize,
        envelope: &RequestEnvelope,
        expected: Expected,
    ) -> Self {
        Self { name, lender, victim, request: encode(envelope), expected, standing: None }
    }

    /// Returns whether the membership that the attempt was made with is not what it was, according to what its
    /// lender has `now`: then the delivery service may have refused it for that.
    pub fn is_outdated(&self, now: Option<&LentKeys>) -> bool {
        let Some(before) = &self.standing else { return false };
        let group = now.and_then(|keys| keys.groups.iter().find(|group| group.group_id == before.group));
        group.and_then(Standing::of).as_ref() != Some(before)
    }
}
