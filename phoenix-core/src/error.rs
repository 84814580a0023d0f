//! PROTOCOL.md §2 — errors: typed, with a stable code on the wire, telling the caller what it can do.
//!
//! Codes are grouped by whose rule was broken: 1xx the envelope, 2xx authentication, 3xx tokens and rates,
//! 4xx the authentication service, 5xx the queuing service, 6xx the delivery service, 7xx federation,
//! 9xx our own trouble.

use std::time::Duration;

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    codec::List, credentials::ValidationError, crypto::aead::EncryptionError, identifiers::Domain,
    keys::NoValidKey, time::Timestamp,
};

/// Why a request was not done. A refused request changes nothing, but for what PROTOCOL.md §2 excepts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u16)]
pub enum Refusal {
    /// The request's protocol version is not spoken here.
    #[error("this protocol version is not supported; supported: {supported:?}")]
    #[tls_codec(discriminant = 100)]
    UnsupportedVersion {
        /// The versions that are.
        supported: List<u16, 16>,
    },
    /// No operation has this code.
    #[error("no such operation")]
    #[tls_codec(discriminant = 101)]
    UnknownOperation,
    /// The bytes are no valid encoding of the request.
    #[error("the request is not validly encoded")]
    #[tls_codec(discriminant = 102)]
    Malformed,
    /// The request is larger than the operation allows.
    #[error("the request is larger than {limit} bytes")]
    #[tls_codec(discriminant = 103)]
    TooLarge {
        /// The most bytes allowed.
        limit: u64,
    },
    /// The request was made for another homeserver.
    #[error("the request is for another homeserver")]
    #[tls_codec(discriminant = 104)]
    WrongHomeserver,

    /// The sender could not be authenticated: no, a foreign or a wrong signature, or nobody known by that name.
    #[error("the request is not authenticated")]
    #[tls_codec(discriminant = 200)]
    Unauthenticated,
    /// The request's time lies outside the authentication window.
    #[error("the request's time is outside the window; the homeserver's clock reads {now}")]
    #[tls_codec(discriminant = 201)]
    OutsideTimeWindow {
        /// The homeserver's clock.
        now: Timestamp,
    },
    /// A credential or key set in the request is not valid.
    #[error("credential not valid: {reason}")]
    #[tls_codec(discriminant = 202)]
    InvalidCredential {
        /// Which rule it breaks.
        reason: ValidationError,
    },
    /// A public key in the request is one that nobody can hold the private half of.
    #[error("a public key in the request is not valid")]
    #[tls_codec(discriminant = 203)]
    InvalidPublicKey,

    /// The operation redeems a token, and the request has none, or one of another homeserver or retired key.
    #[error("a token of this homeserver is needed")]
    #[tls_codec(discriminant = 300)]
    TokenNeeded,
    /// The token was not issued by this homeserver.
    #[error("the token is not valid")]
    #[tls_codec(discriminant = 301)]
    InvalidToken,
    /// The token's scope does not cover the operation.
    #[error("the token's scope does not cover this operation")]
    #[tls_codec(discriminant = 302)]
    WrongTokenScope,
    /// The token was spent before.
    #[error("the token is spent")]
    #[tls_codec(discriminant = 303)]
    TokenSpent,
    /// More was asked for than is allowed by now.
    #[error("too much; try again in {retry_after_milliseconds} ms")]
    #[tls_codec(discriminant = 304)]
    RateLimited {
        /// How long to wait.
        retry_after_milliseconds: u64,
    },

    /// The user exists already.
    #[error("the user id is taken")]
    #[tls_codec(discriminant = 400)]
    UserExists,
    /// The homeserver registers nobody, or not without a valid invitation.
    #[error("registration is not open")]
    #[tls_codec(discriminant = 401)]
    RegistrationClosed,
    /// No such registration is under way (any more).
    #[error("no such registration is under way")]
    #[tls_codec(discriminant = 402)]
    NoSuchRegistration,
    /// An OPAQUE message is not valid.
    #[error("the password protocol failed")]
    #[tls_codec(discriminant = 403)]
    PasswordProtocol,
    /// No such user, client or package.
    #[error("not found")]
    #[tls_codec(discriminant = 404)]
    NotFound,
    /// A connection package is not valid.
    #[error("connection package not valid")]
    #[tls_codec(discriminant = 405)]
    InvalidConnectionPackage,
    /// The queue takes no more.
    #[error("the queue is full")]
    #[tls_codec(discriminant = 406)]
    QueueFull,
    /// The token key asked for is not in force.
    #[error("the token key is not in force")]
    #[tls_codec(discriminant = 407)]
    UnknownTokenKey,
    /// The acknowledged position lies beyond the queue's end.
    #[error("the queue ends before that position")]
    #[tls_codec(discriminant = 408)]
    BeyondQueue,

    /// A key package is not valid.
    #[error("key package not valid")]
    #[tls_codec(discriminant = 500)]
    InvalidKeyPackage,
    /// None of the key packages is a last resort.
    #[error("one key package must be a last resort")]
    #[tls_codec(discriminant = 501)]
    NoLastResort,
    /// Whoever the friendship token is from, it is not this user's.
    #[error("not a friend")]
    #[tls_codec(discriminant = 502)]
    NoFriend,

    /// No such group, or the key is not the group's: which, is hidden.
    #[error("no such group, or another key")]
    #[tls_codec(discriminant = 600)]
    NoSuchGroup,
    /// The group id was not reserved, or the reservation is over.
    #[error("the group id is not reserved")]
    #[tls_codec(discriminant = 601)]
    NotReserved,
    /// The message is of another epoch.
    #[error("the group is at epoch {current}")]
    #[tls_codec(discriminant = 602)]
    WrongEpoch {
        /// The group's epoch.
        current: u64,
    },
    /// The group's pending proposals must be committed first, all of them.
    #[error("pending proposals must be committed first")]
    #[tls_codec(discriminant = 603)]
    PendingProposals,
    /// Only an admin may do this.
    #[error("only an admin may do this")]
    #[tls_codec(discriminant = 604)]
    NotAdmin,
    /// The MLS message does not stand validation.
    #[error("the MLS message is not valid here")]
    #[tls_codec(discriminant = 605)]
    InvalidMlsMessage,
    /// The signature over the new GroupInfo is wrong or missing.
    #[error("the new group information is not valid")]
    #[tls_codec(discriminant = 606)]
    InvalidGroupInfo,
    /// The tree and group information of the new group do not stand validation.
    #[error("the new group's state is not valid")]
    #[tls_codec(discriminant = 607)]
    InvalidGroupState,
    /// The encrypted credentials are not one for each added leaf.
    #[error("there must be one encrypted credential for each added leaf")]
    #[tls_codec(discriminant = 608)]
    CredentialCount,
    /// An added key package is not covered by a recent batch of its queuing service.
    #[error("an added key package is not covered by a recent batch of its queuing service")]
    #[tls_codec(discriminant = 609)]
    KeyPackageNotCovered,
    /// The Welcome does not name just the key packages added.
    #[error("the Welcome does not match the key packages added")]
    #[tls_codec(discriminant = 610)]
    WelcomeMismatch,
    /// The group does not await a connection (any more).
    #[error("the group does not await a connection")]
    #[tls_codec(discriminant = 611)]
    NotAwaitingConnection,
    /// The commit does something that this operation does not.
    #[error("the commit does not fit the operation")]
    #[tls_codec(discriminant = 612)]
    CommitNotAllowed,
    /// The group has as many members as it may have.
    #[error("the group is full")]
    #[tls_codec(discriminant = 613)]
    GroupFull,
    /// The key package's queue configuration is missing or malformed.
    #[error("queue configuration missing or malformed")]
    #[tls_codec(discriminant = 614)]
    InvalidQueueConfig,

    /// The frame is for another homeserver.
    #[error("the frame is for another homeserver")]
    #[tls_codec(discriminant = 700)]
    WrongDestination,
    /// The homeserver does not federate with this domain.
    #[error("federation with this domain is not allowed")]
    #[tls_codec(discriminant = 701)]
    NotFederated,
    /// The frame's time lies outside the window.
    #[error("the frame's time is outside the window by {by_milliseconds} ms")]
    #[tls_codec(discriminant = 702)]
    FrameOutsideTimeWindow {
        /// By how much.
        by_milliseconds: u64,
    },
    /// The frame's key is not among the source's published ones.
    #[error("the frame's key is not a published one")]
    #[tls_codec(discriminant = 703)]
    UnknownFrameKey,
    /// The frame's signature is not the source's.
    #[error("the frame's signature is not the source's")]
    #[tls_codec(discriminant = 704)]
    InvalidFrameSignature,
    /// The stream continues elsewhere.
    #[error("the stream continues at {expected}")]
    #[tls_codec(discriminant = 705)]
    StreamPosition {
        /// The sequence number expected next.
        expected: u64,
    },
    /// The epoch of the stream cannot be opened.
    #[error("the stream's epoch {epoch} cannot be opened")]
    #[tls_codec(discriminant = 706)]
    StreamEpoch {
        /// The epoch.
        epoch: u64,
    },
    /// The source has too many streams.
    #[error("the source has too many streams")]
    #[tls_codec(discriminant = 707)]
    TooManyStreams,
    /// A homeserver that must be asked first cannot be reached.
    #[error("the homeserver of {domain} cannot be reached; try again in {retry_after_milliseconds} ms")]
    #[tls_codec(discriminant = 708)]
    PeerUnavailable {
        /// Whose homeserver.
        domain: Domain,
        /// How long to wait.
        retry_after_milliseconds: u64,
    },
    /// An entry of the batch cannot be decrypted or read: the sender should pass over it.
    #[error("entry {sequence} of the stream cannot be read")]
    #[tls_codec(discriminant = 709)]
    UnreadableEntry {
        /// Its sequence number.
        sequence: u64,
    },
    /// What the batch repeats is not what was accepted: the sender's state is an older copy of what it was. It
    /// goes on in a new stream.
    #[error("the stream is not the one that was accepted so far; go on in a new one")]
    #[tls_codec(discriminant = 710)]
    StreamDiverged,

    /// The store cannot be reached, or there is too much contention.
    #[error("the homeserver cannot do this just now; try again in {retry_after_milliseconds} ms")]
    #[tls_codec(discriminant = 900)]
    Unavailable {
        /// How long to wait.
        retry_after_milliseconds: u64,
    },
    /// A stored record is damaged. Others are not affected.
    #[error("a stored record of kind {kind} is damaged")]
    #[tls_codec(discriminant = 901)]
    StoredData {
        /// The code of the kind of record.
        kind: u8,
    },
    /// A defect of the homeserver's program. Nothing else is refused by this.
    #[error("internal error of the homeserver")]
    #[tls_codec(discriminant = 902)]
    Internal,
    /// No key of the homeserver that this takes is valid now: its operator has to add one.
    #[error(
        "the homeserver has no valid key for this; its operator has to add one; try again in {retry_after_milliseconds} ms"
    )]
    #[tls_codec(discriminant = 903)]
    NoValidKey {
        /// How long to wait.
        retry_after_milliseconds: u64,
    },
}

/// What the caller can do about a [`Refusal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// Try again after this time: the same request, or if its token is spent by then, one with a new token.
    Retry(Duration),
    /// Get (another) token, then make a new request.
    GetToken,
    /// Fetch keys and credentials afresh, then make a new request.
    RefreshKeys,
    /// Bring the group up to date, then make a new request.
    Rebase,
    /// Give up: the same would be refused again.
    Stop,
}

impl Refusal {
    /// The stable code on the wire.
    pub fn code(&self) -> u16 {
        // The encoding begins with the discriminant, which is the code.
        let encoded = crate::codec::encode(self);
        encoded.first_chunk().map_or(0, |code| u16::from_be_bytes(*code))
    }

    /// What the caller can do about it.
    pub fn advice(&self) -> Advice {
        match self {
            Self::RateLimited { retry_after_milliseconds }
            | Self::PeerUnavailable { retry_after_milliseconds, .. }
            | Self::Unavailable { retry_after_milliseconds }
            | Self::NoValidKey { retry_after_milliseconds } => {
                Advice::Retry(Duration::from_millis(*retry_after_milliseconds))
            }
            Self::TokenNeeded | Self::InvalidToken | Self::TokenSpent => Advice::GetToken,
            Self::UnknownTokenKey | Self::UnknownFrameKey => Advice::RefreshKeys,
            Self::WrongEpoch { .. } | Self::PendingProposals => Advice::Rebase,
            Self::UnsupportedVersion { .. }
            | Self::UnknownOperation
            | Self::Malformed
            | Self::TooLarge { .. }
            | Self::WrongHomeserver
            | Self::Unauthenticated
            | Self::OutsideTimeWindow { .. }
            | Self::InvalidCredential { .. }
            | Self::InvalidPublicKey
            | Self::WrongTokenScope
            | Self::UserExists
            | Self::RegistrationClosed
            | Self::NoSuchRegistration
            | Self::PasswordProtocol
            | Self::NotFound
            | Self::InvalidConnectionPackage
            | Self::QueueFull
            | Self::BeyondQueue
            | Self::InvalidKeyPackage
            | Self::NoLastResort
            | Self::NoFriend
            | Self::NoSuchGroup
            | Self::NotReserved
            | Self::NotAdmin
            | Self::InvalidMlsMessage
            | Self::InvalidGroupInfo
            | Self::InvalidGroupState
            | Self::CredentialCount
            | Self::KeyPackageNotCovered
            | Self::WelcomeMismatch
            | Self::NotAwaitingConnection
            | Self::CommitNotAllowed
            | Self::GroupFull
            | Self::InvalidQueueConfig
            | Self::WrongDestination
            | Self::NotFederated
            | Self::FrameOutsideTimeWindow { .. }
            | Self::InvalidFrameSignature
            | Self::StreamPosition { .. }
            | Self::StreamEpoch { .. }
            | Self::TooManyStreams
            | Self::UnreadableEntry { .. }
            | Self::StreamDiverged
            | Self::StoredData { .. }
            | Self::Internal => Advice::Stop,
        }
    }

    /// Come back after `wait`: too much was asked for.
    pub fn rate_limited(wait: Duration) -> Self {
        Self::RateLimited { retry_after_milliseconds: milliseconds(wait) }
    }

    /// Come back after `wait`: the homeserver of `domain` cannot be reached.
    pub fn peer_unavailable(domain: &Domain, wait: Duration) -> Self {
        Self::PeerUnavailable { domain: domain.clone(), retry_after_milliseconds: milliseconds(wait) }
    }
}

impl From<EncryptionError> for Refusal {
    fn from(error: EncryptionError) -> Self {
        match error {
            EncryptionError::TooLong => Self::TooLarge { limit: crate::limits::MAX_REQUEST as u64 },
            EncryptionError::InvalidPublicKey => Self::InvalidPublicKey,
        }
    }
}

impl From<NoValidKey> for Refusal {
    fn from(_: NoValidKey) -> Self {
        // An operator has to act, which takes minutes at best.
        Self::NoValidKey { retry_after_milliseconds: 600_000 }
    }
}

impl From<ValidationError> for Refusal {
    fn from(reason: ValidationError) -> Self {
        Self::InvalidCredential { reason }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Why another homeserver gave no answer. For logs and operators: to an operation, all of them are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PeerFailure {
    /// Its name does not lead to an address that may be called.
    #[error("the homeserver has no address that may be called")]
    NoAddress,
    /// No connection could be made.
    #[error("the homeserver cannot be reached")]
    Unreachable,
    /// It does not prove that it is the homeserver: its certificate is not valid for the name.
    #[error("the homeserver does not prove who it is")]
    Untrusted,
    /// The connection broke, or the answer did not come in time.
    #[error("the homeserver gave no answer")]
    NoAnswer,
    /// It answered something that is not an answer of the protocol.
    #[error("the homeserver gave no answer of this protocol")]
    NotAnAnswer,
    /// Too many requests to it are under way here already.
    #[error("too many requests to the homeserver are under way")]
    Busy,
}
