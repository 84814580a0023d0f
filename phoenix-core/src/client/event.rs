//! PROTOCOL.md §11 — the words between application and client: outputs, events, views.

use super::error::ClientError;
use crate::{
    identifiers::{Domain, GroupId, UserId},
    wire::{fan_out::GapReason, operations::Service},
};

/// The id of a procedure that the application started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub u64);

/// The id of one sending of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId(pub u64);

/// What [`Client::poll`](crate::client::Client::poll) returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// The application has to send this, and to hand in the outcome with
    /// [`Client::respond`](crate::client::Client::respond).
    Request(Exchange),
    /// Something happened that the user may want to know.
    Event(Event),
    /// A procedure has ended, with this result.
    TaskDone(TaskId, Result<(), ClientError>),
}

/// A request to send to a homeserver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// The id of this sending. The same bytes sent again have another id.
    pub id: ExchangeId,
    /// The homeserver.
    pub domain: Domain,
    /// The service of that homeserver.
    pub service: Service,
    /// The encoded request envelope.
    pub request: Vec<u8>,
}

/// Something that the user may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The account, queue and key packages are in place.
    Registered,
    /// This user requests a connection, and the client does not accept without asking:
    /// [`Client::accept`](crate::client::Client::accept) accepts.
    ConnectionRequested(UserId),
    /// This user is a contact now: one of the two requested the connection, and the other accepted.
    Connected(UserId),
    /// The client has created this group.
    GroupCreated(GroupId),
    /// The client has joined this group, to which it was invited.
    Joined(GroupId),
    /// An invitation or a connection request was declined.
    Declined {
        /// The group that the client would have joined.
        group: GroupId,
        /// The reason.
        reason: ClientError,
    },
    /// A message of this client was ordered.
    MessageAcknowledged {
        /// The procedure that sent it, which may have ended without knowing.
        task: TaskId,
        /// The group.
        group: GroupId,
        /// The position in the group's order.
        position: u64,
        /// The message, as bytes of the application.
        text: Vec<u8>,
    },
    /// Another member sent a message.
    Message {
        /// The group.
        group: GroupId,
        /// The position in the group's order.
        position: u64,
        /// The sender.
        from: UserId,
        /// The message, as bytes of the application.
        text: Vec<u8>,
    },
    /// A group has entered another epoch.
    EpochChanged {
        /// The group.
        group: GroupId,
        /// The epoch entered.
        epoch: u64,
        /// The MLS epoch authenticator: equal for all members that agree on the group.
        authenticator: Vec<u8>,
    },
    /// A homeserver dropped deliveries of a group, which cannot be followed any further.
    Gap {
        /// The group.
        group: GroupId,
        /// The last position that was dropped.
        position: u64,
        /// The reason.
        reason: GapReason,
    },
    /// Deliveries of a group are missing, and it cannot be followed any further.
    Missing {
        /// The group.
        group: GroupId,
        /// The first position that is missing.
        from: u64,
        /// The position that came instead, behind the missing ones.
        to: u64,
    },
    /// A message cannot be decrypted, or its sender is unknown. The group goes on.
    MessageUnreadable {
        /// The group.
        group: GroupId,
        /// The position in the group's order.
        position: u64,
        /// The reason.
        reason: ClientError,
    },
    /// A commit cannot be followed, nor the group any further.
    CommitUnprocessable {
        /// The group.
        group: GroupId,
        /// The position in the group's order.
        position: u64,
        /// The reason.
        reason: ClientError,
    },
    /// The client was removed from this group.
    Removed(GroupId),
    /// The homeserver has restored a queue from a backup. Entries that came after the backup and were not
    /// read are lost; for groups, [`Event::Missing`] says which.
    QueueRestored {
        /// `true` for the direct queue, `false` for the fan-out queue.
        direct: bool,
    },
    /// An entry of a queue cannot be decrypted.
    QueueUnreadable {
        /// `true` for the direct queue, `false` for the fan-out queue.
        direct: bool,
        /// The entry's sequence number in the queue.
        sequence: u64,
    },
    /// A procedure of the client's own failed, such as publishing fresh key packages.
    BackgroundFailure(ClientError),
}

/// A group as the client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupView {
    /// The group's id.
    pub group_id: GroupId,
    /// The epoch in which the client is.
    pub epoch: u64,
    /// The members, by leaf index.
    pub members: Vec<UserId>,
    /// The MLS epoch authenticator: equal for all members that agree on the group.
    pub epoch_authenticator: Vec<u8>,
    /// Whether the client has followed everything up to [`GroupView::last_position`]. If not, it cannot
    /// change the group or send to it.
    pub healthy: bool,
    /// The last position that was followed, if there is one.
    pub last_position: Option<u64>,
    /// Whether it is the group of a connection, which applications need not show as a group.
    pub connection: bool,
}
