//! PROTOCOL.md §11 — why a procedure of the client fails, and whose fault it is.

use std::borrow::Cow;

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::stored_fields::text;
use crate::{
    codec::DecodeError,
    credentials::ValidationError,
    crypto::{
        aead::{DecryptionError, EncryptionError},
        opaque::OpaqueError,
        sign::InvalidSignature,
        tokens::TokenError,
    },
    error::{Advice, Refusal},
    identifiers::{Domain, UserId},
};

/// Why a procedure failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub enum ClientError {
    /// A homeserver refused. [`Refusal::advice`] says what helps.
    #[error("refused: {0}")]
    #[tls_codec(discriminant = 1)]
    Refused(#[from] Refusal),
    /// A homeserver gave no answer for as long as the request was valid. Whether the request was carried out
    /// is unknown. A message or commit that was ordered is confirmed through the queue: wait for its event,
    /// and do not send it again.
    #[error("no answer from {domain} for as long as the request was valid")]
    #[tls_codec(discriminant = 2)]
    Unanswered {
        /// The homeserver that gave no answer.
        domain: Domain,
    },
    /// Key material of a homeserver or another user is not valid.
    #[error("key material not valid: {0}")]
    #[tls_codec(discriminant = 3)]
    Invalid(#[from] ValidationError),
    /// A homeserver or another user sent something that contradicts itself or the protocol: the text names
    /// it.
    #[error("received {0}")]
    #[tls_codec(discriminant = 4)]
    Dishonest(#[tls_codec(with = "text")] Cow<'static, str>),
    /// Something received is not validly encoded.
    #[error(transparent)]
    #[tls_codec(discriminant = 5)]
    Malformed(#[from] DecodeError),
    /// Something received cannot be decrypted.
    #[error(transparent)]
    #[tls_codec(discriminant = 6)]
    Undecryptable(#[from] DecryptionError),
    /// Something cannot be encrypted: a published key is not valid, or the plaintext is too long.
    #[error(transparent)]
    #[tls_codec(discriminant = 7)]
    Encryption(#[from] EncryptionError),
    /// A signature of another user or of a homeserver is not valid.
    #[error(transparent)]
    #[tls_codec(discriminant = 8)]
    Signature(#[from] InvalidSignature),
    /// The password protocol failed: the homeserver's answer is not valid.
    #[error(transparent)]
    #[tls_codec(discriminant = 9)]
    Password(#[from] OpaqueError),
    /// The tokens that a homeserver issued are not valid.
    #[error(transparent)]
    #[tls_codec(discriminant = 10)]
    Tokens(#[from] TokenError),
    /// MLS refuses something that was received or made. The text is openmls's.
    #[error("MLS refuses: {0}")]
    #[tls_codec(discriminant = 11)]
    Mls(#[tls_codec(with = "text")] Cow<'static, str>),
    /// The client is not registered: call [`Client::register`](super::Client::register) first.
    #[error("the client is not registered")]
    #[tls_codec(discriminant = 12)]
    NotRegistered,
    /// The client is not in the group.
    #[error("the client is not in the group")]
    #[tls_codec(discriminant = 13)]
    UnknownGroup,
    /// The user is not a contact, or there is no connection request of the user to accept.
    #[error("{0} is not a contact")]
    #[tls_codec(discriminant = 14)]
    NotAContact(UserId),
    /// The user is a member already.
    #[error("{0} is in the group already")]
    #[tls_codec(discriminant = 15)]
    AlreadyMember(UserId),
    /// The group cannot be followed any further: the client has to be invited again.
    #[error("the group cannot be followed any further")]
    #[tls_codec(discriminant = 16)]
    NeedsResync,
    /// A message is longer than the protocol allows.
    #[error("longer than the protocol allows")]
    #[tls_codec(discriminant = 17)]
    TooLong,
    /// Another member's commit came first at each attempt. Try again later.
    #[error("another member's commit came first at each attempt")]
    #[tls_codec(discriminant = 18)]
    Contention,
    /// The application has cancelled it.
    #[error("cancelled")]
    #[tls_codec(discriminant = 19)]
    Cancelled,
    /// As many connection requests as are kept wait already: answer some of them.
    #[error("too many connection requests wait")]
    #[tls_codec(discriminant = 21)]
    TooManyRequests,
    /// It was begun by another version of this library and cannot go on. Begin it anew.
    #[error("begun by another version, which cannot go on")]
    #[tls_codec(discriminant = 20)]
    BegunByAnotherVersion,
}

impl ClientError {
    /// Something that was received contradicts itself or the protocol.
    pub(super) const fn dishonest(what: &'static str) -> Self {
        Self::Dishonest(Cow::Borrowed(what))
    }

    /// Whether the same may succeed later: the homeserver did not answer, or said when to come back.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unanswered { .. } => true,
            Self::Refused(refusal) => matches!(refusal.advice(), Advice::Retry(_)),
            _ => false,
        }
    }

    /// Keeps the text of an MLS error: openmls has an error type for each call.
    pub(super) fn mls(error: impl std::fmt::Display) -> Self {
        Self::Mls(error.to_string().into())
    }
}
