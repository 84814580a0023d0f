//! PROTOCOL.md §2, §11 — why a procedure of the client ends without success, and whose fault it is.

use crate::{
    codec::DecodeError,
    credentials::ValidationError,
    crypto::{
        aead::{DecryptionError, EncryptionError},
        opaque::OpaqueError,
        sign::InvalidSignature,
        tokens::TokenError,
    },
    error::Refusal,
    identifiers::{Domain, UserId},
};

/// Why a procedure ended without success.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// A homeserver refused. [`Refusal::advice`] says what helps.
    #[error("refused: {0}")]
    Refused(#[from] Refusal),
    /// A homeserver gave no answer for as long as the request was valid. Whether it was carried out is not
    /// known; a message or commit that was, is confirmed through the queue.
    #[error("no answer from {domain} for as long as the request was valid")]
    Unanswered {
        /// Which homeserver.
        domain: Domain,
    },
    /// Key material that others published or sent is not valid.
    #[error("key material not valid: {0}")]
    Invalid(#[from] ValidationError),
    /// What others sent contradicts itself or the protocol, for the reason given.
    #[error("refused what was received: {0}")]
    Dishonest(&'static str),
    /// Something received is not validly encoded.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// Something received cannot be decrypted.
    #[error(transparent)]
    Undecryptable(#[from] DecryptionError),
    /// Something cannot be encrypted: a key that somebody published is not valid, or a message is too long.
    #[error(transparent)]
    Encryption(#[from] EncryptionError),
    /// A signature is wrong.
    #[error(transparent)]
    Signature(#[from] InvalidSignature),
    /// The password protocol failed.
    #[error(transparent)]
    Password(#[from] OpaqueError),
    /// The homeserver's tokens are not valid.
    #[error(transparent)]
    Tokens(#[from] TokenError),
    /// MLS refuses.
    #[error("MLS refuses: {0}")]
    Mls(String),
    /// The client is not registered yet.
    #[error("the client is not registered")]
    NotRegistered,
    /// The client is in no such group.
    #[error("no such group")]
    UnknownGroup,
    /// The user is no contact, so there is no way to reach it.
    #[error("{0} is not a contact")]
    NotAContact(UserId),
    /// The user is in the group.
    #[error("{0} is in the group already")]
    AlreadyMember(UserId),
    /// The group has lost the thread; it has to be joined anew.
    #[error("the group has to be resynced")]
    NeedsResync,
    /// A message or list is longer than the protocol allows.
    #[error("longer than the protocol allows")]
    TooLong,
    /// Others changed the group each time that this client tried to.
    #[error("others were faster each time")]
    Contention,
}

impl ClientError {
    /// Whatever MLS says, as text: openmls has an error type for each call.
    pub(super) fn mls(error: impl std::fmt::Display) -> Self {
        Self::Mls(error.to_string())
    }
}
