//! PROTOCOL.md §2, Refusals — the table of all refusals: code, meaning, fields, text (PROTOCOL.md, Appendix
//! B).

use std::time::Duration;

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    codec::List, credentials::ValidationError, crypto::aead::EncryptionError, identifiers::Domain,
    keys::NoValidKey, limits::MAX_REQUEST, time::Timestamp,
};

/// Why a request was not carried out. A refused request changes nothing, with few exceptions (PROTOCOL.md §2,
/// Refusals): a token that was redeemed stays spent, for one.
///
/// Encoded as the code and the fields. [`advice`](Self::advice) says what the caller can do; the text says it
/// to people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u16)]
pub enum Refusal {
    /// The request's protocol version is not spoken here. The caller makes the request in a version that is,
    /// or is updated.
    #[error("this protocol version is not spoken here; supported: {supported:?}")]
    #[tls_codec(discriminant = 100)]
    UnsupportedVersion {
        /// The versions that are spoken.
        supported: List<u16, 16>,
    },
    /// No operation has this code. The homeserver is older than the caller, or the caller is at fault.
    #[error("no operation has this code")]
    #[tls_codec(discriminant = 101)]
    UnknownOperation,
    /// The bytes, or something inside of them, are not the one valid encoding of what belongs there: the
    /// caller is at fault.
    #[error("the request is not validly encoded")]
    #[tls_codec(discriminant = 102)]
    Malformed,
    /// The request, or a part of it, is larger than allowed. The caller sends less at a time.
    #[error("the request, or a part of it, is larger than {limit} bytes; send less at a time")]
    #[tls_codec(discriminant = 103)]
    TooLarge {
        /// The most bytes that are allowed.
        limit: u64,
    },
    /// The request was made for another homeserver. The caller sends it there.
    #[error("the request was made for another homeserver")]
    #[tls_codec(discriminant = 104)]
    WrongHomeserver,

    /// The sender could not be authenticated: no signature, a wrong one, one of another kind of sender, or a
    /// sender that the service does not know. Which, is hidden.
    #[error("the sender could not be authenticated: it is not known here under this name and key")]
    #[tls_codec(discriminant = 200)]
    Unauthenticated,
    /// The request's time lies outside the authentication window. The caller corrects its clock by `now`,
    /// then makes a new request; it may not know what came of an earlier copy.
    #[error("the request's time is outside the window; the homeserver's clock reads {now}; set yours right")]
    #[tls_codec(discriminant = 201)]
    OutsideTimeWindow {
        /// The homeserver's clock when it refused.
        now: Timestamp,
    },
    /// A credential or key set that the request needs is not valid.
    #[error("a credential or key set that the request needs is not valid: {reason}")]
    #[tls_codec(discriminant = 202)]
    InvalidCredential {
        /// The rule that it breaks.
        reason: ValidationError,
    },
    /// A public key in the request is one whose private half no one can hold.
    #[error("a public key in the request is not valid; make another key pair")]
    #[tls_codec(discriminant = 203)]
    InvalidPublicKey,

    /// The operation redeems a token, and the request has none, or one of another homeserver or of a retired
    /// key.
    #[error("a token of this homeserver is needed, of a key in force; get one and ask again")]
    #[tls_codec(discriminant = 300)]
    TokenNeeded,
    /// The token was not issued under the key that it names.
    #[error("the token was not issued by this homeserver; get another one")]
    #[tls_codec(discriminant = 301)]
    InvalidToken,
    /// The token's scope, or that of the key asked for, does not cover the operation or the caller: only
    /// local clients get tokens of the local scope.
    #[error("the token's scope does not cover this operation or this caller")]
    #[tls_codec(discriminant = 302)]
    WrongTokenScope,
    /// The token was redeemed before.
    #[error("the token is spent; get another one")]
    #[tls_codec(discriminant = 303)]
    TokenSpent,
    /// More was asked for than is allowed by now.
    #[error("too much was asked for; try again in {retry_after_milliseconds} ms")]
    #[tls_codec(discriminant = 304)]
    RateLimited {
        /// How long to wait, in milliseconds.
        retry_after_milliseconds: u64,
    },

    /// The user id is taken. The caller draws another one.
    #[error("the user id is taken; draw another one")]
    #[tls_codec(discriminant = 400)]
    UserExists,
    /// The homeserver registers no one.
    #[error("registration is closed at this homeserver; ask its operator")]
    #[tls_codec(discriminant = 401)]
    RegistrationClosed,
    /// No such registration is under way, or not any more. The caller begins another one.
    #[error("no such registration is under way, or its time is over; begin another one")]
    #[tls_codec(discriminant = 402)]
    NoSuchRegistration,
    /// An OPAQUE message is not valid.
    #[error("the message of the password protocol (OPAQUE) is not valid")]
    #[tls_codec(discriminant = 403)]
    PasswordProtocol,
    /// There is no such user or client, or nothing left to hand out.
    #[error("there is no such user or client, or nothing left to hand out")]
    #[tls_codec(discriminant = 404)]
    NotFound,
    /// A connection package is not valid, or there is none.
    #[error("a connection package is not valid, or there is none")]
    #[tls_codec(discriminant = 405)]
    InvalidConnectionPackage,
    /// The direct queue takes no more. Its owner has not read it for long.
    #[error("the queue is full; its owner has to read it first")]
    #[tls_codec(discriminant = 406)]
    QueueFull,
    /// The token key asked for is not one that issues now.
    #[error("the token key does not issue now; fetch the keys again")]
    #[tls_codec(discriminant = 407)]
    UnknownTokenKey,
    /// The position or generation asked for lies further beyond the queue than any backup is old: the caller
    /// is at fault.
    #[error("the queue ends before that position")]
    #[tls_codec(discriminant = 408)]
    BeyondQueue,

    /// A key package is not valid, or named twice.
    #[error("a key package is not valid, or named twice")]
    #[tls_codec(discriminant = 500)]
    InvalidKeyPackage,
    /// Not exactly one of the key packages is a last resort.
    #[error("exactly one of the key packages must be a last resort")]
    #[tls_codec(discriminant = 501)]
    NoLastResort,
    /// There is no such user, or the friendship token is not the user's. Which, is hidden.
    #[error("there is no such user, or the friendship token is not the user's")]
    #[tls_codec(discriminant = 502)]
    NoFriend,

    /// There is no such group, or the key is not the group's. Which, is hidden.
    #[error("there is no such group, or the key is not the group's")]
    #[tls_codec(discriminant = 600)]
    NoSuchGroup,
    /// The group id was not reserved here, the reservation is over, or the id was used. The caller requests
    /// another id.
    #[error("the group id is not reserved, or not any more; request another one")]
    #[tls_codec(discriminant = 601)]
    NotReserved,
    /// The message is of another epoch than the group. The caller brings the group up to date from its queue.
    #[error("the group is at epoch {current}; bring it up to date and make the message again")]
    #[tls_codec(discriminant = 602)]
    WrongEpoch {
        /// The epoch that the group is in.
        current: u64,
    },
    /// The group's pending proposals must be committed first, all of them.
    #[error("the group's pending proposals must be committed first, all of them")]
    #[tls_codec(discriminant = 603)]
    PendingProposals,
    /// Only an admin may do this.
    #[error("only an admin of the group may do this")]
    #[tls_codec(discriminant = 604)]
    NotAdmin,
    /// The MLS message does not stand validation.
    #[error("the MLS message does not stand validation")]
    #[tls_codec(discriminant = 605)]
    InvalidMlsMessage,
    /// The new group information is malformed, or its signature is wrong.
    #[error("the new group information is malformed, or its signature is wrong")]
    #[tls_codec(discriminant = 606)]
    InvalidGroupInfo,
    /// The tree and the group information of a new group do not stand validation.
    #[error("the tree and the group information of the new group do not stand validation")]
    #[tls_codec(discriminant = 607)]
    InvalidGroupState,
    /// There is not one encrypted credential for each leaf that needs one.
    #[error("there must be one encrypted credential for each leaf that needs one")]
    #[tls_codec(discriminant = 608)]
    CredentialCount,
    /// An added key package is not covered by a recent, validly signed batch of its queuing service. The
    /// caller fetches another key package.
    #[error(
        "an added key package is not covered by a recent batch of its queuing service; fetch another one"
    )]
    #[tls_codec(discriminant = 609)]
    KeyPackageNotCovered,
    /// The Welcome does not name exactly the key packages added.
    #[error("the Welcome must name exactly the key packages added")]
    #[tls_codec(discriminant = 610)]
    WelcomeMismatch,
    /// The group does not await a connection, or not any more.
    #[error("the group does not await a connection, or not any more")]
    #[tls_codec(discriminant = 611)]
    NotAwaitingConnection,
    /// The commit does something that this operation does not.
    #[error("the commit does something that this operation does not")]
    #[tls_codec(discriminant = 612)]
    CommitNotAllowed,
    /// The group, or its state, would exceed what a group may be.
    #[error("the group would exceed what a group may be")]
    #[tls_codec(discriminant = 613)]
    GroupFull,
    /// A queue configuration is missing, malformed, too long, or for another homeserver.
    #[error("a queue configuration is missing, malformed, too long, or for another homeserver")]
    #[tls_codec(discriminant = 614)]
    InvalidQueueConfig,

    /// The frame is for another homeserver.
    #[error("the frame is for another homeserver")]
    #[tls_codec(discriminant = 700)]
    WrongDestination,
    /// The homeserver's policy does not allow this with that domain. Its operator can change the policy.
    #[error("this homeserver's policy does not allow federation with that domain")]
    #[tls_codec(discriminant = 701)]
    NotFederated,
    /// The frame's time lies outside the window. One of the two homeservers' clocks is wrong.
    #[error("the frame's time is outside the window by {by_milliseconds} ms; set the clocks right")]
    #[tls_codec(discriminant = 702)]
    FrameOutsideTimeWindow {
        /// The distance to the window, in milliseconds.
        by_milliseconds: u64,
    },
    /// The frame's key is not among those that its source publishes.
    #[error("the frame's key is not among those that its source publishes")]
    #[tls_codec(discriminant = 703)]
    UnknownFrameKey,
    /// The frame's signature is not its source's.
    #[error("the frame's signature is not its source's")]
    #[tls_codec(discriminant = 704)]
    InvalidFrameSignature,
    /// The stream continues elsewhere. The source sends from there.
    #[error("the stream continues at {expected}; send from there")]
    #[tls_codec(discriminant = 705)]
    StreamPosition {
        /// The sequence number that is expected next.
        expected: u64,
    },
    /// The epoch of the stream cannot be opened. The source begins another one.
    #[error("the stream's epoch {epoch} cannot be opened; begin another one")]
    #[tls_codec(discriminant = 706)]
    StreamEpoch {
        /// The number of the epoch.
        epoch: u64,
    },
    /// The source has as many streams as it may have.
    #[error("the source has as many streams as it may have")]
    #[tls_codec(discriminant = 707)]
    TooManyStreams,
    /// A homeserver that must be asked first cannot be reached.
    #[error("the homeserver of {domain} cannot be reached; try again in {retry_after_milliseconds} ms")]
    #[tls_codec(discriminant = 708)]
    PeerUnavailable {
        /// The domain of the homeserver that is out of reach.
        domain: Domain,
        /// How long to wait, in milliseconds.
        retry_after_milliseconds: u64,
    },
    /// An entry of the batch cannot be decrypted or read. The source passes over it.
    #[error("entry {sequence} of the stream cannot be read; pass over it")]
    #[tls_codec(discriminant = 709)]
    UnreadableEntry {
        /// The sequence number of the entry.
        sequence: u64,
    },
    /// What the batch repeats is not what was accepted: the source's state is an older copy of what it was.
    /// It goes on in a new stream.
    #[error("the stream is not the one that was accepted so far; go on in a new one")]
    #[tls_codec(discriminant = 710)]
    StreamDiverged,

    /// The homeserver cannot do this just now: its store is out of reach, or there is too much at once.
    #[error("the homeserver cannot do this just now; try again in {retry_after_milliseconds} ms")]
    #[tls_codec(discriminant = 900)]
    Unavailable {
        /// How long to wait, in milliseconds.
        retry_after_milliseconds: u64,
    },
    /// A stored record that the request needs is damaged; others are not affected. The operator restores it.
    #[error("a stored record of kind {kind} is damaged; the homeserver's operator has to restore it")]
    #[tls_codec(discriminant = 901)]
    StoredData {
        /// The code of the kind of record ([`RecordKind`](crate::store::RecordKind)).
        kind: u8,
    },
    /// A defect of the homeserver's program; nothing else is refused by this. The operator reports it.
    #[error("a defect of the homeserver's program stopped this; its operator should report it")]
    #[tls_codec(discriminant = 902)]
    Internal,
    /// No key of the homeserver that this takes is valid now: its operator has to add one.
    #[error(
        "the homeserver has no valid key for this; its operator has to add one; try again in {retry_after_milliseconds} ms"
    )]
    #[tls_codec(discriminant = 903)]
    NoValidKey {
        /// How long to wait, in milliseconds.
        retry_after_milliseconds: u64,
    },
}

impl Refusal {
    /// Returns the refusal of what was too much: the caller comes back after `wait`.
    pub fn rate_limited(wait: Duration) -> Self {
        Self::RateLimited { retry_after_milliseconds: milliseconds(wait) }
    }

    /// Returns the refusal of what needs the homeserver of `domain`, which is out of reach: the caller comes
    /// back after `wait`.
    pub fn peer_unavailable(domain: &Domain, wait: Duration) -> Self {
        Self::PeerUnavailable { domain: domain.clone(), retry_after_milliseconds: milliseconds(wait) }
    }
}

impl From<EncryptionError> for Refusal {
    fn from(error: EncryptionError) -> Self {
        match error {
            EncryptionError::TooLong => Self::TooLarge { limit: MAX_REQUEST as u64 },
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
