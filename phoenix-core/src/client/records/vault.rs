//! PROTOCOL.md §11.15 — records sealed under the application's key: names say nothing, contents are bound to
//! them.

use std::fmt;

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};
use zeroize::Zeroizing;

use super::{
    keyspace::ClientRecordKind,
    stored::{RecordChange, StoredRecord},
};
use crate::{
    codec::{Bytes, DecodeError, decode, encode},
    crypto::{
        aead::{EarCiphertext, EarKey, EncryptionError, MAX_EAR_CIPHERTEXT},
        kdf,
        labels::Label,
    },
    rng::Random,
};

/// The key under which a client's records are sealed. The application draws it at random and keeps it where
/// the records are not: in the platform's key store, under a passphrase, in a file of its own.
#[derive(Clone)]
pub struct StorageKey(EarKey);

impl StorageKey {
    /// The key with this secret.
    pub const fn from_bytes(secret: [u8; 32]) -> Self {
        Self(EarKey::from_bytes(secret))
    }
}

impl fmt::Debug for StorageKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("StorageKey(…)")
    }
}

/// Why a client cannot be restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// There are no records: make a [new client](crate::client::Client::new).
    #[error("there is no saved state")]
    Nothing,
    /// No record opens under the key: it is the key of other records.
    #[error("the saved state is sealed under another key")]
    WrongKey,
    /// Records are damaged or missing. Use an older copy: the client finds out what it missed since.
    #[error("the saved state is damaged")]
    Damaged,
    /// The records were saved by a later version of this library.
    #[error("the saved state is of a later version")]
    Version,
    /// The records are of a client of another homeserver than the settings name.
    #[error("the saved state is of a client of another homeserver")]
    Domain,
}

/// A record in the clear.
pub(crate) struct PlainRecord {
    pub kind: ClientRecordKind,
    pub key: Vec<u8>,
    pub content: Zeroizing<Vec<u8>>,
}

/// A record in the clear that changed: its new content, `None` if it is deleted.
pub(crate) struct PlainChange {
    pub kind: ClientRecordKind,
    pub key: Vec<u8>,
    pub content: Option<Zeroizing<Vec<u8>>>,
}

/// What a record holds, once it is opened: its name in the clear, and the content.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct Opened {
    kind: u8,
    key: Bytes<MAX_EAR_CIPHERTEXT>,
    content: Bytes<MAX_EAR_CIPHERTEXT>,
}

/// Seals and opens records.
pub(crate) struct Vault {
    key: EarKey,
}

impl Vault {
    pub fn new(key: StorageKey) -> Self {
        Self { key: key.0 }
    }

    /// Seals a change. Its content has a key of its own, so that no nonce meets a key twice.
    pub fn seal(&self, random: &mut Random, change: PlainChange) -> Result<RecordChange, EncryptionError> {
        let name = self.name(change.kind, &change.key);
        let content = change.content.map(|content| {
            let opened = Opened {
                kind: change.kind as u8,
                key: bytes(change.key)?,
                content: bytes(content.to_vec())?,
            };
            let plain = Zeroizing::new(encode(&opened));
            zeroize::Zeroize::zeroize(&mut opened.content.into_vec());
            Ok(encode(&self.key.seal(random, &name, &plain)?))
        });
        Ok(RecordChange { name, content: content.transpose()? })
    }

    /// Opens a record, which must be found under its own name.
    pub fn open(&self, record: &StoredRecord) -> Result<PlainRecord, RestoreError> {
        let sealed: EarCiphertext = decode(&record.content).map_err(|_| RestoreError::Damaged)?;
        let plain = self.key.open(&record.name, &sealed).map_err(|_| RestoreError::WrongKey)?;
        let opened: Opened = decode(&plain).map_err(|_| RestoreError::Damaged)?;
        let kind = ClientRecordKind::from_code(opened.kind).ok_or(RestoreError::Version)?;
        let (key, content) = (opened.key.into_vec(), Zeroizing::new(opened.content.into_vec()));
        Ok(PlainRecord { kind, key, content })
    }

    /// The name under which a record is stored.
    fn name(&self, kind: ClientRecordKind, key: &[u8]) -> Vec<u8> {
        let plain = [&[kind as u8], key].concat();
        kdf::derive::<32>(self.key.as_bytes(), Label::CLIENT_RECORD_NAME, &plain).to_vec()
    }
}

fn bytes(content: Vec<u8>) -> Result<Bytes<MAX_EAR_CIPHERTEXT>, EncryptionError> {
    content.try_into().map_err(|_: DecodeError| EncryptionError::TooLong)
}
