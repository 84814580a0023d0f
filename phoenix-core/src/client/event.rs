//! PROTOCOL.md §11 — what a client wants done, and what it has to tell.

use super::error::ClientError;
use crate::{
    identifiers::{Domain, GroupId, UserId},
    wire::{fan_out::GapReason, operations::Service},
};

/// Names a procedure that was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub u64);

/// Names one sending of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId(pub u64);

/// Something that comes out of [`Client::poll`](crate::client::Client::poll).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send this; tell the outcome by [`Client::respond`](crate::client::Client::respond).
    Request(Exchange),
    /// Something happened.
    Event(Event),
    /// A procedure is over.
    TaskDone(TaskId, Result<(), ClientError>),
}

/// A request on its way to a homeserver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Names this sending; repetitions of the same bytes have other names.
    pub id: ExchangeId,
    /// Which homeserver.
    pub domain: Domain,
    /// Which of its services.
    pub service: Service,
    /// The encoded request.
    pub request: Vec<u8>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The account, queue and key packages are in place.
    Registered,
    /// A user asks for a connection, and the client does not accept by itself.
    ConnectionRequested(UserId),
    /// A user is a contact now: asked by us and accepted, or asked us.
    Connected(UserId),
    /// A group was created.
    GroupCreated(GroupId),
    /// The client has joined a group that it was invited to.
    Joined(GroupId),
    /// Something that came from elsewhere, an invitation or a connection request, was not followed.
    Declined {
        /// The group that it was about.
        group: GroupId,
        /// Why.
        reason: ClientError,
    },
    /// A message of ours was ordered.
    MessageAcknowledged {
        /// The procedure that sent it; it may have ended without knowing.
        task: TaskId,
        /// The group.
        group: GroupId,
        /// Its position in the group's order.
        position: u64,
        /// What was sent.
        text: Vec<u8>,
    },
    /// A message of another member.
    Message {
        /// The group.
        group: GroupId,
        /// Its position in the group's order.
        position: u64,
        /// Who sent it.
        from: UserId,
        /// What was sent.
        text: Vec<u8>,
    },
    /// The group has entered another epoch.
    EpochChanged {
        /// The group.
        group: GroupId,
        /// The epoch.
        epoch: u64,
        /// What all members hold alike in this epoch.
        authenticator: Vec<u8>,
    },
    /// A homeserver says that something was not delivered; the group should be resynced.
    Gap {
        /// The group.
        group: GroupId,
        /// The last position concerned.
        position: u64,
        /// Why.
        reason: GapReason,
    },
    /// Positions of a group did not arrive.
    Missing {
        /// The group.
        group: GroupId,
        /// The first position that is missing.
        from: u64,
        /// The position that came instead.
        to: u64,
    },
    /// A message cannot be decrypted or attributed. The group goes on.
    MessageUnreadable {
        /// The group.
        group: GroupId,
        /// Its position in the group's order.
        position: u64,
        /// Why.
        reason: ClientError,
    },
    /// A commit cannot be followed: the group has to be resynced.
    CommitUnprocessable {
        /// The group.
        group: GroupId,
        /// Its position in the group's order.
        position: u64,
        /// Why.
        reason: ClientError,
    },
    /// The client was removed from a group.
    Removed(GroupId),
    /// The homeserver restored a queue from a backup. What came into it between that and this reading is lost; of
    /// groups, [`Event::Missing`] tells where.
    QueueRestored {
        /// Whether it is the direct queue, rather than the fan-out queue.
        direct: bool,
    },
    /// An entry of a queue cannot be decrypted.
    QueueUnreadable {
        /// Whether it is the direct queue, rather than the fan-out queue.
        direct: bool,
        /// The entry's place.
        sequence: u64,
    },
    /// Something that the client does by itself, such as publishing fresh key packages, failed.
    BackgroundFailure(ClientError),
}

/// A group, as a client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupView {
    /// Its id.
    pub group_id: GroupId,
    /// Its epoch.
    pub epoch: u64,
    /// Who is in it, by leaf.
    pub members: Vec<UserId>,
    /// What all members hold alike in this epoch.
    pub epoch_authenticator: Vec<u8>,
    /// Whether the client has everything up to [`GroupView::last_position`].
    pub healthy: bool,
    /// The last position processed, if any.
    pub last_position: Option<u64>,
    /// Whether it is the group of a connection, which its users do not see as one.
    pub connection: bool,
}
