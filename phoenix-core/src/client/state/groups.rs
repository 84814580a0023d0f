//! PROTOCOL.md §11.1 — a group as its member holds it: a few records, and the MLS state beside them.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    client::{
        event::IntentId,
        records::{ClientRecordKind, Record},
    },
    codec::{Bytes, Flag, List},
    credentials::MemberCredential,
    crypto::{aead::EarKey, sign::SigningKey},
    identifiers::{GroupId, LeafIdentity, RequestId, UserId},
    limits::{MAX_ADDS, MAX_MLS_MESSAGE},
    wire::delivery_service::{AddUsers, UpdateClient},
};

/// A group that the client is in: its keys.
#[derive(Clone, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct Group {
    pub leaf_key: SigningKey,
    pub group_key: EarKey,
    pub credential_key: EarKey,
    /// Which connection the group is for, if it is for one.
    pub connection: Option<Connection>,
}

impl Record for Group {
    const KIND: ClientRecordKind = ClientRecordKind::Group;
    type Key = GroupId;
}

/// The state of the connection that a group is for.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub(crate) enum Connection {
    /// This user was asked, and has not joined yet.
    #[tls_codec(discriminant = 1)]
    Asked(UserId),
    /// Both users are members.
    #[tls_codec(discriminant = 2)]
    Made,
}

/// A member whose chain of credentials is verified.
#[derive(Clone, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct Member {
    pub identity: LeafIdentity,
    pub credential: MemberCredential,
}

impl Member {
    /// Returns the user whose leaf it is.
    pub fn user(&self) -> &UserId {
        &self.credential.client_credential.client_id().user_id
    }
}

/// A member in its group. Messages of a former one may still arrive.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct Membership {
    pub member: Member,
    pub standing: Standing,
}

/// Whether a member is one still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub(crate) enum Standing {
    /// It has the leaf of this index.
    #[tls_codec(discriminant = 1)]
    Present(u32),
    /// It was a member up to the epoch before this one.
    #[tls_codec(discriminant = 2)]
    Former(u64),
}

impl Record for Membership {
    const KIND: ClientRecordKind = ClientRecordKind::Member;
    type Key = (GroupId, LeafIdentity);
}

/// How many of the latest messages of a group are known again when they are repeated.
pub(crate) const RECENT_MESSAGES: usize = 64;

/// How far a group was followed.
#[derive(Clone, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct Progress {
    pub last_position: Option<u64>,
    /// Whether everything up to there was followed.
    pub healthy: Flag,
    /// The epoch that the client's own last commit began.
    pub own_epoch: Option<u64>,
    /// Short hashes of the latest application messages, the oldest first.
    pub recent: List<[u8; 8], RECENT_MESSAGES>,
}

impl Record for Progress {
    const KIND: ClientRecordKind = ClientRecordKind::Progress;
    type Key = GroupId;
}

/// A commit of unknown outcome.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct PendingCommit {
    pub request: CommitRequest,
    /// The members that it adds.
    pub added: List<Member, MAX_ADDS>,
    /// The id of all requests that carry it.
    pub id: RequestId,
}

impl Record for PendingCommit {
    const KIND: ClientRecordKind = ClientRecordKind::PendingCommit;
    type Key = GroupId;
}

/// A commit in the request that carries it.
#[derive(Clone, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub(crate) enum CommitRequest {
    #[tls_codec(discriminant = 1)]
    AddUsers(AddUsers),
    #[tls_codec(discriminant = 2)]
    Update(UpdateClient),
}

/// An own request that was ordered, or may be, and whose receipt has not been read.
#[derive(Clone, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct Awaited {
    /// The epoch in which it was ordered, or will be.
    pub epoch: u64,
    /// How many receipts may come: one for each request that carried it.
    pub copies: u32,
    /// The message that the receipt will acknowledge: its procedure was cancelled before the answer came.
    pub message: Option<GivenUp>,
}

/// A message whose procedure was cancelled.
#[derive(Clone, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct GivenUp {
    pub intent: IntentId,
    pub text: Bytes<MAX_MLS_MESSAGE>,
}

impl Record for Awaited {
    const KIND: ClientRecordKind = ClientRecordKind::Awaited;
    type Key = (GroupId, RequestId);
}
