//! How a record becomes the bytes of a row: versioned, and sealed where its declaration says so.

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

/// A row that does not decode or open: the stored data is damaged, or the service key is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stored {kind:?} record is damaged, or sealed under another service key")]
pub struct StoredDataError {
    /// The kind of the damaged row.
    pub kind: RecordKind,
}

/// What a row was found to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored<R> {
    /// There is no such row.
    Absent,
    /// The record.
    Intact(R),
    /// Something that is no such record.
    Damaged(StoredDataError),
}

impl<R> Stored<R> {
    /// The record; `None` if there is none, or a damaged one.
    pub fn intact(self) -> Option<R> {
        match self {
            Self::Intact(record) => Some(record),
            Self::Absent | Self::Damaged(_) => None,
        }
    }
}

/// First byte of every stored row, so that later formats can be told apart.
const FORMAT: u8 = 1;

/// The bytes of the row `key` that hold `record`.
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

/// The record that the row `key` holds.
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
