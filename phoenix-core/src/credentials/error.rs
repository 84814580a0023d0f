//! PROTOCOL.md §4, Validation — why key material is refused: one list of reasons for all of it.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// Why key material is refused. Encoded as its number, 1 byte.
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
    /// The material is another homeserver's.
    #[error("belongs to another homeserver")]
    WrongDomain = 1,
    /// A key or credential is past its validity. Its owner has to renew it.
    #[error("no longer valid")]
    Expired = 2,
    /// A key, credential or set is not valid yet. A clock may be wrong.
    #[error("not yet valid")]
    NotYetValid = 3,
    /// The set is past its validity. It has to be fetched again.
    #[error("the set is no longer valid")]
    SetExpired = 4,
    /// The set claims to be valid for longer than a set may be.
    #[error("the set is valid for too long")]
    ValidTooLong = 5,
    /// The proof of possession is not valid: it does not show that the owner holds the private key.
    #[error("the proof of possession is not valid")]
    BadSelfSignature = 6,
    /// The signer is unknown, or not among those that may sign this.
    #[error("the signer is not known")]
    UnknownSigner = 7,
    /// The signature is not the signer's.
    #[error("the signature is not valid")]
    BadSignature = 8,
    /// Valid outside of its signer's validity, or of what its owner asked for.
    #[error("valid outside the validity of its signer")]
    OutsideSignersValidity = 9,
    /// The credential, or one above it, is revoked.
    #[error("revoked")]
    Revoked = 10,
    /// The material contradicts itself, or what was published before.
    #[error("contradicts itself")]
    Contradiction = 11,
    /// Revocations are missing that were in force.
    #[error("revocations are missing")]
    RevocationListShrank = 12,
    /// A list that has to have a usable entry has none.
    #[error("a list without a usable entry")]
    Empty = 13,
    /// There are more entries than the format holds.
    #[error("too many entries")]
    TooMany = 14,
    /// The attribution of a leaf cannot be decrypted with the given key.
    #[error("the attribution cannot be decrypted")]
    Undecryptable = 15,
}
