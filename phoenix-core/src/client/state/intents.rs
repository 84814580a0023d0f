//! PROTOCOL.md §11.15 — what a client is to do: intents, and how far each has come.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::account::Identity;
use crate::{
    client::{
        event::IntentId,
        messages::ConnectionRequest,
        records::{ClientRecordKind, Record},
    },
    codec::{Bytes, Flag, List},
    crypto::aead::MAX_EAR_CIPHERTEXT,
    error::Refusal,
    identifiers::{Domain, GroupId, RequestId, UserId},
    limits::{MAX_ADDS, MAX_LARGE_REQUEST, MAX_MLS_MESSAGE},
    time::Timestamp,
    wire::fan_out::Delivery,
};

/// What is wanted, who wants it, and how far it has come.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct Intent {
    pub want: Want,
    /// Whether the application is told of its end.
    pub by_application: Flag,
    pub since: Timestamp,
    /// The lane that it is in, or waits for.
    pub held: Option<Held>,
    /// How often it began anew.
    pub rounds: u32,
    /// How much a reading had left when it last began anew.
    pub left: u64,
    pub notes: List<Note, 1024>,
}

impl Record for Intent {
    const KIND: ClientRecordKind = ClientRecordKind::Intent;
    type Key = IntentId;

    fn is_kept(&self) -> bool {
        self.want.is_kept()
    }
}

/// What is wanted.
#[derive(Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub(crate) enum Want {
    #[tls_codec(discriminant = 1)]
    Register { password: Password },
    #[tls_codec(discriminant = 2)]
    Connect { user: UserId },
    /// Verify a request from the direct queue, then accept it or ask the user.
    #[tls_codec(discriminant = 3)]
    HandleRequest { request: ConnectionRequest },
    #[tls_codec(discriminant = 4)]
    Accept { request: ConnectionRequest },
    #[tls_codec(discriminant = 5)]
    CreateGroup,
    #[tls_codec(discriminant = 6)]
    Invite { group: GroupId, users: List<UserId, MAX_ADDS> },
    #[tls_codec(discriminant = 7)]
    Update { group: GroupId },
    #[tls_codec(discriminant = 8)]
    Send { group: GroupId, text: Bytes<MAX_MLS_MESSAGE> },
    #[tls_codec(discriminant = 9)]
    Join { delivery: Delivery },
    /// Follow what is in a group's inbox.
    #[tls_codec(discriminant = 10)]
    Follow { group: GroupId },
    /// Read the direct queue, then the fan-out queue.
    #[tls_codec(discriminant = 11)]
    ReadQueues,
    #[tls_codec(discriminant = 12)]
    ReadFanOutQueue,
    /// Have at least this many tokens of a homeserver.
    #[tls_codec(discriminant = 13)]
    StockTokens { domain: Domain, count: u64 },
    /// Fetch one batch of tokens.
    #[tls_codec(discriminant = 14)]
    FetchTokens { domain: Domain },
    #[tls_codec(discriminant = 15)]
    FetchAsCredentials { domain: Domain },
    #[tls_codec(discriminant = 16)]
    FetchQsKeys { domain: Domain },
    #[tls_codec(discriminant = 17)]
    PublishKeyPackages,
    /// Bind the queue configuration in a group to the group.
    #[tls_codec(discriminant = 18)]
    BindQueue { group: GroupId },
}

/// A password, overwritten when it is dropped.
#[derive(
    Clone, Default, PartialEq, Eq, Zeroize, ZeroizeOnDrop, TlsSize, TlsSerialize, TlsDeserializeBytes,
)]
pub(crate) struct Password(pub Bytes<{ u16::MAX as usize }>);

/// What two intents never do at the same time: those of a lane take turns, first come, first served.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub(crate) enum Lane {
    /// Changing this group, or sending to it.
    #[tls_codec(discriminant = 1)]
    Group(GroupId),
    /// Reading the queues.
    #[tls_codec(discriminant = 2)]
    Queues,
    /// Registering.
    #[tls_codec(discriminant = 3)]
    Account,
}

/// A lane that an intent is in, by the number of its turn.
#[derive(Debug, Clone, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct Held {
    pub lane: Lane,
    pub ticket: u64,
}

/// What an intent's function need not do again when it is restarted. The function meets its notes in the
/// order in which it made them.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub(crate) enum Note {
    /// Something that was made once.
    #[tls_codec(discriminant = 1)]
    Made { label: Bytes<32>, value: Bytes<MAX_EAR_CIPHERTEXT> },
    /// A request that has no answer yet.
    #[tls_codec(discriminant = 2)]
    Call(Box<Call>),
    /// A request that was answered, or refused for good.
    #[tls_codec(discriminant = 3)]
    Answered {
        operation: u16,
        id: RequestId,
        /// How many requests were made for it.
        made: u32,
        /// Whether one of them may have been carried out without an answer.
        uncertain: Flag,
        answer: Answer,
    },
}

/// The answer to a request.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub(crate) enum Answer {
    /// The encoded reply.
    #[tls_codec(discriminant = 1)]
    Reply(Bytes<MAX_EAR_CIPHERTEXT>),
    #[tls_codec(discriminant = 2)]
    Refused(Refusal),
}

/// A request that is made, and sent until it is answered.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct Call {
    pub operation: u16,
    pub domain: Domain,
    /// The same in every request that carries this body.
    pub id: RequestId,
    pub body: Bytes<MAX_LARGE_REQUEST>,
    pub identity: Option<Identity>,
    /// The signed request, which is sent as often as needed.
    pub request: Option<SignedRequest>,
    /// How many requests were made for it.
    pub made: u32,
    /// Whether one of them may have been carried out without an answer.
    pub uncertain: Flag,
}

/// An encoded, signed request.
#[derive(Clone, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct SignedRequest {
    pub bytes: Bytes<MAX_LARGE_REQUEST>,
    /// When repeating it ends.
    pub until: Timestamp,
}

impl Want {
    /// Returns the group that is concerned, if it is one.
    pub fn group(&self) -> Option<&GroupId> {
        match self {
            Self::Invite { group, .. }
            | Self::Update { group }
            | Self::Send { group, .. }
            | Self::Follow { group }
            | Self::BindQueue { group } => Some(group),
            Self::Join { delivery } => Some(&delivery.group_id),
            Self::HandleRequest { request } | Self::Accept { request } => Some(&request.content.group_id),
            Self::Register { .. }
            | Self::Connect { .. }
            | Self::CreateGroup
            | Self::ReadQueues
            | Self::ReadFanOutQueue
            | Self::StockTokens { .. }
            | Self::FetchTokens { .. }
            | Self::FetchAsCredentials { .. }
            | Self::FetchQsKeys { .. }
            | Self::PublishKeyPackages => None,
        }
    }

    /// Whether it goes on after a restart. What only reads is wanted again by who needs it.
    pub const fn is_kept(&self) -> bool {
        !matches!(
            self,
            Self::Follow { .. }
                | Self::ReadQueues
                | Self::ReadFanOutQueue
                | Self::FetchAsCredentials { .. }
                | Self::FetchQsKeys { .. }
        )
    }

    /// Whether it needs the credentials of this homeserver.
    pub fn concerns(&self, domain: &Domain) -> bool {
        match self {
            Self::Connect { user } => user.domain == *domain,
            Self::HandleRequest { request } | Self::Accept { request } => {
                request.content.sender.client_id().user_id.domain == *domain
            }
            // Members of any homeserver are in it, or may be.
            Self::Join { .. } | Self::Follow { .. } | Self::Invite { .. } => true,
            Self::FetchAsCredentials { domain: of } => of == domain,
            Self::Register { .. }
            | Self::CreateGroup
            | Self::Update { .. }
            | Self::Send { .. }
            | Self::ReadQueues
            | Self::ReadFanOutQueue
            | Self::StockTokens { .. }
            | Self::FetchTokens { .. }
            | Self::FetchQsKeys { .. }
            | Self::PublishKeyPackages
            | Self::BindQueue { .. } => false,
        }
    }

    /// Whether someone else asked for it.
    pub const fn is_of_others(&self) -> bool {
        matches!(self, Self::Join { .. } | Self::HandleRequest { .. } | Self::Accept { .. })
    }

    /// Whether it goes on before a restored client has caught up with its queue.
    pub fn catches_up(&self) -> bool {
        matches!(self, Self::ReadFanOutQueue | Self::ReadQueues | Self::Register { .. })
    }
}
