//! PROTOCOL.md §11 — the words between application and client: outputs, events, views.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::{error::ClientError, outcome, records::Save, stored_fields::flag};
use crate::{
    error::PeerFailure,
    identifiers::{Domain, GroupId, UserId},
    time::Timestamp,
    wire::{fan_out::GapReason, operations::Service},
};

/// The id of an intent: something that the client is to do. It stays the same over restarts, and is never
/// given again.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, TlsSize, TlsSerialize, TlsDeserializeBytes,
)]
pub struct IntentId(pub u64);

/// The id of an event. It stays the same over restarts, and is never given again: an event that is shown again
/// is known by it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, TlsSize, TlsSerialize, TlsDeserializeBytes,
)]
pub struct EventId(pub u64);

/// The id of one sending of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId(pub u64);

/// What [`Client::poll`](crate::client::Client::poll) returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// The application has to store this, and to call [`Client::saved`](crate::client::Client::saved). What
    /// depends on it comes after that call.
    Save(Save),
    /// The application has to send this, and to hand in the outcome with
    /// [`Client::respond`](crate::client::Client::respond).
    Request(Exchange),
    /// Something happened that the user may want to know. It is shown again after each restart, until the
    /// application has called [`Client::confirm`](crate::client::Client::confirm).
    Event(EventId, Event),
    /// A save failed, and nothing leaves the client any more. What it knows may be more than what is stored:
    /// restore a client from the store.
    Stopped,
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
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub enum Event {
    /// The account, queue and key packages are in place.
    #[tls_codec(discriminant = 1)]
    Registered,
    /// This user requests a connection, and the client does not accept without asking:
    /// [`Client::accept`](crate::client::Client::accept) accepts.
    #[tls_codec(discriminant = 2)]
    ConnectionRequested(UserId),
    /// This user is a contact now: one of the two requested the connection, and the other accepted.
    #[tls_codec(discriminant = 3)]
    Connected(UserId),
    /// The client has created a group.
    #[tls_codec(discriminant = 4)]
    GroupCreated {
        /// The intent that created it.
        intent: IntentId,
        /// The group.
        group: GroupId,
    },
    /// The client has joined this group, to which it was invited.
    #[tls_codec(discriminant = 5)]
    Joined(GroupId),
    /// An invitation or a connection request was declined.
    #[tls_codec(discriminant = 6)]
    Declined {
        /// The group that the client would have joined.
        group: GroupId,
        /// The reason.
        reason: ClientError,
    },
    /// A message of this client was ordered.
    #[tls_codec(discriminant = 7)]
    MessageAcknowledged {
        /// The intent that sent it, which may have been cancelled before.
        intent: IntentId,
        /// The group.
        group: GroupId,
        /// The position in the group's order.
        position: u64,
        /// The message, as bytes of the application.
        text: Vec<u8>,
    },
    /// Another member sent a message.
    #[tls_codec(discriminant = 8)]
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
    #[tls_codec(discriminant = 9)]
    EpochChanged {
        /// The group.
        group: GroupId,
        /// The epoch entered.
        epoch: u64,
        /// The MLS epoch authenticator: equal for all members that agree on the group.
        authenticator: Vec<u8>,
    },
    /// A homeserver dropped deliveries of a group, which cannot be followed any further.
    #[tls_codec(discriminant = 10)]
    Gap {
        /// The group.
        group: GroupId,
        /// The last position that was dropped.
        position: u64,
        /// The reason.
        reason: GapReason,
    },
    /// Deliveries of a group are missing, and it cannot be followed any further.
    #[tls_codec(discriminant = 11)]
    Missing {
        /// The group.
        group: GroupId,
        /// The first position that is missing.
        from: u64,
        /// The position that came instead, behind the missing ones.
        to: u64,
    },
    /// A message cannot be decrypted, or its sender is unknown. The group goes on.
    #[tls_codec(discriminant = 12)]
    MessageUnreadable {
        /// The group.
        group: GroupId,
        /// The position in the group's order.
        position: u64,
        /// The reason.
        reason: ClientError,
    },
    /// A commit cannot be followed, nor the group any further.
    #[tls_codec(discriminant = 13)]
    CommitUnprocessable {
        /// The group.
        group: GroupId,
        /// The position in the group's order.
        position: u64,
        /// The reason.
        reason: ClientError,
    },
    /// The client was removed from this group.
    #[tls_codec(discriminant = 14)]
    Removed(GroupId),
    /// The homeserver has restored a queue from a backup. Entries that came after the backup and were not
    /// read are lost; for groups, [`Event::Missing`] says which.
    #[tls_codec(discriminant = 15)]
    QueueRestored {
        /// `true` for the direct queue, `false` for the fan-out queue.
        #[tls_codec(with = "flag")]
        direct: bool,
    },
    /// An entry of a queue cannot be decrypted.
    #[tls_codec(discriminant = 16)]
    QueueUnreadable {
        /// `true` for the direct queue, `false` for the fan-out queue.
        #[tls_codec(with = "flag")]
        direct: bool,
        /// The entry's sequence number in the queue.
        sequence: u64,
    },
    /// Something that the client did by itself failed, such as publishing fresh key packages.
    #[tls_codec(discriminant = 17)]
    BackgroundFailure(ClientError),
    /// An intent of the application's has ended: everything that its other events say of it came before. The
    /// end of a reading is not shown again after a restart.
    #[tls_codec(discriminant = 18)]
    Done {
        /// The intent.
        intent: IntentId,
        /// Whether it succeeded, or why not.
        #[tls_codec(with = "outcome")]
        outcome: Result<(), ClientError>,
    },
    /// The state was restored from an old copy: another one has gone on since. What that one has read is lost
    /// here, and groups of which something was missed cannot be followed any further.
    #[tls_codec(discriminant = 19)]
    OldCopy,
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

/// Something that the client is to do, as the application sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntentView {
    /// The intent's id.
    pub id: IntentId,
    /// What is to be done.
    pub what: Intention,
    /// The group that it concerns, if it concerns one that is known already.
    pub group: Option<GroupId>,
    /// When it began.
    pub since: Timestamp,
    /// Whether the application began it; the client began all others by itself.
    pub by_application: bool,
    /// The homeserver whose answer is awaited, if one is.
    pub awaits: Option<Domain>,
    /// How often that homeserver was asked in vain since the client was started.
    pub failures: u32,
    /// Why it was asked in vain the last time.
    pub last_failure: Option<PeerFailure>,
}

/// What an intent is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Intention {
    /// To register the client.
    Register,
    /// To ask a user for a connection.
    Connect,
    /// To answer a connection request.
    AnswerRequest,
    /// To create a group.
    CreateGroup,
    /// To add contacts to a group.
    Invite,
    /// To renew the client's keys in a group.
    Update,
    /// To send a message.
    Send,
    /// To join a group on an invitation.
    Join,
    /// To follow what has come from a group.
    Follow,
    /// To read the queues.
    Read,
    /// To fetch tokens.
    FetchTokens,
    /// To fetch keys of a homeserver.
    FetchKeys,
    /// To publish the client's own keys.
    PublishKeys,
}
