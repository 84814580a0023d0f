//! What a member damages in a group of its own: messages, commits and Welcomes that a delivery service cannot
//! tell from others.
//!
//! The client of one user of the plan has founded the group and goes on honestly; an attacker changes what it
//! sends there, and signs it again with the client's key, under the same request id. So the client is answered
//! as if all were well, and the harm is to the other members only: the protocol lets members harm the groups that
//! they are in, as long as the others know, and nothing else suffers.

use std::collections::BTreeMap;

use phoenix_core::{
    codec::{Bytes, encode},
    identifiers::GroupId,
    wire::{
        envelope::{RequestEnvelope, Sender},
        operations::Request,
    },
};

use super::{
    forging::{sign, with_body},
    knowledge::Lender,
};

/// What is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// A message: the tag of its encryption is wrong.
    Message,
    /// A commit: its membership tag is wrong, which only members can check.
    Commit,
    /// A Welcome: its group information cannot be opened, and is not what the inviter has signed.
    Welcome,
}

/// A request of which something is damaged.
#[derive(Debug, Clone)]
pub struct Damaged {
    /// The encoded request.
    pub request: Vec<u8>,
    /// What is damaged.
    pub damage: Damage,
    /// What is damaged, as its recipients get it.
    pub content: Vec<u8>,
}

/// What attackers damage.
#[derive(Debug, Default)]
pub struct Damages {
    /// What was made of each request, so that a repetition stays one.
    made: BTreeMap<Vec<u8>, Option<Damaged>>,
}

impl Damages {
    /// Damages a request that the lender's client sends to `group`, where there are `members`. Returns `None` if
    /// it is left as it is: it is for another group, or the invitation of the first member.
    pub fn damage(
        &mut self,
        lender: &Lender,
        group: &GroupId,
        members: usize,
        request: &[u8],
    ) -> Option<Damaged> {
        if !self.made.contains_key(request) {
            let damaged = damage(lender, group, members, request);
            self.made.insert(request.to_vec(), damaged);
        }
        self.made.get(request)?.clone()
    }
}

fn damage(lender: &Lender, group: &GroupId, members: usize, request: &[u8]) -> Option<Damaged> {
    let (kind, envelope) = RequestEnvelope::read(request).ok()?;
    let (damage, content, envelope) = match Request::read(kind, envelope.body.as_slice()).ok()? {
        Request::SendMessage(mut body) if body.group.group_id == *group => {
            body.message = flip(&body.message)?;
            (Damage::Message, body.message.as_slice().to_vec(), with_body(envelope, &body)?)
        }
        Request::UpdateClient(mut body) if body.group.group_id == *group => {
            body.commit = flip(&body.commit)?;
            (Damage::Commit, body.commit.as_slice().to_vec(), with_body(envelope, &body)?)
        }
        Request::AddUsers(mut body) if body.group.group_id == *group && members > 1 => {
            body.welcome = flip(&body.welcome)?;
            (Damage::Welcome, body.welcome.as_slice().to_vec(), with_body(envelope, &body)?)
        }
        _ => return None,
    };
    let mut envelope = envelope;
    let membership = lender.group(group)?;
    sign(&mut envelope, (Sender::Leaf(membership.leaf), &membership.leaf_key));
    Some(Damaged { request: encode(&envelope), damage, content })
}

/// Changes one bit of the last byte.
fn flip<const MAX: usize>(bytes: &Bytes<MAX>) -> Option<Bytes<MAX>> {
    let mut bytes = bytes.as_slice().to_vec();
    *bytes.last_mut()? ^= 1;
    Bytes::new(bytes).ok()
}
