//! What the dishonest homeserver tries, and what must come of it.

use phoenix_core::identifiers::GroupId;

/// Names an attempt, in the order in which attempts begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AttemptId(pub(super) u64);

impl AttemptId {
    /// Returns the number of the attempt, from 0.
    pub fn number(self) -> u64 {
        self.0
    }
}

/// An attack on one homeserver.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The kind of attack, for reports.
    pub name: &'static str,
    /// The index of the homeserver that is attacked.
    pub victim: usize,
    /// The encoded request.
    pub request: Vec<u8>,
    /// What must come of it.
    pub expected: Expected,
}

/// What must come of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// It is refused with one of these codes.
    Refused(&'static [u16]),
    /// It repeats an earlier request, so it may be accepted or refused, but must change nothing. Other
    /// oracles see if it does.
    NoEffect,
    /// The frame is valid and may be accepted, but its message must not reach the client that it is for.
    Undelivered(Intrusion),
}

impl Expected {
    /// Returns what the attacked homeserver does about it, in words that go on from its name.
    pub fn describe(&self) -> String {
        match self {
            Self::Refused(codes) => format!("refuses it with one of the codes {codes:?}"),
            Self::NoEffect => "answers as before, or refuses it, and changes nothing".to_owned(),
            Self::Undelivered(_) => "may accept the frame, and keeps the message from the client".to_owned(),
        }
    }
}

/// A message for a client that has not authorised it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intrusion {
    /// The group that it claims to be from. An attacker has made it, or made it up, so no honest message names
    /// it.
    pub group: GroupId,
    /// The index of the user that it is for.
    pub user: usize,
    /// Whether the client must find a gap marker in its queue. If not, it must find nothing.
    pub marker: bool,
    /// The index of the user who has made the group, if one has: to this one the group is no secret.
    pub maker: Option<usize>,
}
