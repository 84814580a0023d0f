//! How a record becomes the bytes of a row: versioned, and sealed where its declaration says so.

use zeroize::Zeroizing;

use super::key::{Key, RecordKind};
use crate::{
    codec::{Codec, decode, encode},
    crypto::aead::{EarCiphertext, EarKey, EncryptionError},
    rng::Random,
};

/// How a row is protected at rest (PROTOCOL.md §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// As it is: nothing in it links or tells.
    Plain,
    /// Sealed under the service key, which lives in the key file and never in the store.
    ServiceKey,
    /// Encrypted under a key that the caller brings with each request.
    Caller,
    /// Encrypted to its owner by the queue ratchet.
    Ratchet,
}

impl Protection {
    /// In words, for the keyspace table.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::ServiceKey => "sealed under the service key",
            Self::Caller => "encrypted under the caller's key",
            Self::Ratchet => "encrypted to its owner",
        }
    }
}

/// A kind of record.
pub trait Record: Codec {
    /// What names a record of this kind.
    type Name: Codec;
    /// The kind; its declaration says how it is protected.
    const KIND: RecordKind;
}

/// A row that does not decode or open: the stored data is damaged, or the service key is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stored {kind:?} record is damaged, or sealed under another service key")]
pub struct StoredDataError {
    /// The kind of the damaged row.
    pub kind: RecordKind,
}

/// First byte of every stored row, so that later formats can be told apart.
const FORMAT: u8 = 1;

/// The bytes of the row `key` that hold `record`.
pub(super) fn to_row<R: Record>(
    key: &Key,
    record: &R,
    service_key: &EarKey,
    random: &mut Random,
) -> Result<Vec<u8>, EncryptionError> {
    let plain = Zeroizing::new(encode(record));
    let mut bytes = vec![FORMAT];
    match R::KIND.declaration().protection {
        Protection::ServiceKey => {
            bytes.extend(encode(&service_key.seal(random, &key.to_bytes(), &plain)?));
        }
        Protection::Plain | Protection::Caller | Protection::Ratchet => bytes.extend_from_slice(&plain),
    }
    Ok(bytes)
}

/// The record that the row `key` holds.
pub(super) fn from_row<R: Record>(
    key: &Key,
    bytes: &[u8],
    service_key: &EarKey,
) -> Result<R, StoredDataError> {
    let damaged = StoredDataError { kind: R::KIND };
    let (format, content) = bytes.split_first().ok_or(damaged)?;
    if *format != FORMAT {
        return Err(damaged);
    }
    match R::KIND.declaration().protection {
        Protection::ServiceKey => {
            let sealed: EarCiphertext = decode(content).map_err(|_| damaged)?;
            let plain = service_key.open(&key.to_bytes(), &sealed).map_err(|_| damaged)?;
            decode(&plain).map_err(|_| damaged)
        }
        Protection::Plain | Protection::Caller | Protection::Ratchet => decode(content).map_err(|_| damaged),
    }
}
