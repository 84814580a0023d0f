//! PROTOCOL.md §4 — why key material is refused: one list of reasons for all of it.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// Why key material is refused.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    thiserror::Error,
    TlsSize,
    TlsSerialize,
    TlsDeserializeBytes,
)]
#[repr(u8)]
pub enum ValidationError {
    /// It belongs to another homeserver.
    #[error("belongs to another homeserver")]
    WrongDomain = 1,
    /// A key or credential is past its validity. Its owner has to renew it.
    #[error("no longer valid")]
    Expired = 2,
    /// A key, credential or set is not valid yet. One of the clocks may be wrong.
    #[error("not yet valid")]
    NotYetValid = 3,
    /// The set is past its validity. It has to be fetched again.
    #[error("the set is no longer valid")]
    SetExpired = 4,
    /// The set claims to be valid for longer than a set may be.
    #[error("the set is valid for too long")]
    ValidTooLong = 5,
    /// No proof that the key is held.
    #[error("the proof of possession is not valid")]
    BadSelfSignature = 6,
    /// The signer is not among those that may sign this.
    #[error("the signer is not known")]
    UnknownSigner = 7,
    /// The signer did not sign this.
    #[error("the signature is not valid")]
    BadSignature = 8,
    /// Valid at a time at which its signer is not, or its owner did not ask for.
    #[error("valid outside the validity of its signer")]
    OutsideSignersValidity = 9,
    /// The credential, or one above it, is revoked.
    #[error("revoked")]
    Revoked = 10,
    /// The material contradicts itself or what was published before.
    #[error("contradicts itself")]
    Contradiction = 11,
    /// Revocations that were in force are missing.
    #[error("revocations are missing")]
    RevocationListShrank = 12,
    /// Something that there must be at least one of is missing.
    #[error("holds nothing of use")]
    Empty = 13,
    /// More than the format can hold.
    #[error("holds too many entries")]
    TooMany = 14,
    /// The attribution of a leaf cannot be read with the key given.
    #[error("the attribution cannot be decrypted")]
    Undecryptable = 15,
}
