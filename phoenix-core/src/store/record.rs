//! PROTOCOL.md §2, Determinism and storage — how a record becomes the bytes of a row, sealed where its
//! declaration says so, and is read back.

use zeroize::Zeroizing;

use super::{
    key::{Key, Record},
    keyspace::{Protection, RecordKind},
};
use crate::{
    codec::{decode, encode},
    crypto::aead::{EarCiphertext, EarKey, EncryptionError},
    rng::Random,
};

/// A row that does not decode or open: its bytes are damaged, or were sealed under another service key. What
/// needs the row is refused ([`Refusal::StoredData`](crate::error::Refusal::StoredData)), nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stored {kind:?} record is damaged, or sealed under another service key")]
pub struct StoredDataError {
    /// The kind of the record.
    pub kind: RecordKind,
}

/// What a row was found to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored<R> {
    /// There is no such row.
    Absent,
    /// A record of the kind that was asked for.
    Intact(R),
    /// Bytes that are no such record.
    Damaged(StoredDataError),
}

impl<R> Stored<R> {
    /// Returns the record; `None` if there is no row, or a damaged one.
    pub fn intact(self) -> Option<R> {
        match self {
            Self::Intact(record) => Some(record),
            Self::Absent | Self::Damaged(_) => None,
        }
    }
}

/// The first byte of every stored row: later formats will have another one.
const FORMAT: u8 = 1;

/// Returns the bytes of the row `key` that hold `record`.
///
/// # Errors
/// [`EncryptionError`] if the record has to be sealed, and is longer than can be.
pub(crate) fn to_row<R: Record>(
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

/// Returns the record that the row `key` with these `bytes` holds.
///
/// # Errors
/// [`StoredDataError`] if they are no such record.
pub(crate) fn from_row<R: Record>(
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
