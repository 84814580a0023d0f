//! PROTOCOL.md §2, Determinism and storage — how rows are named.

use std::fmt;

use super::keyspace::RecordKind;
use crate::{
    codec::{Codec, encode},
    hex::Hex,
};

/// A record of the store: implemented by the type of its content, for one [`RecordKind`].
pub trait Record: Codec {
    /// What names a record among those of its kind.
    type Name: Codec;
    /// The kind. Its declaration says how the record is protected.
    const KIND: RecordKind;
}

/// The key of a row: the kind of its record, and the record's name, encoded.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    kind: RecordKind,
    name: Vec<u8>,
}

impl Key {
    /// Returns the key of the record `R` that `name` names.
    pub fn of<R: Record>(name: &R::Name) -> Self {
        Self { kind: R::KIND, name: encode(name) }
    }

    /// Returns the kind of the record.
    pub fn kind(&self) -> RecordKind {
        self.kind
    }

    /// Returns the record's name, encoded.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Returns the key as a store keeps it: one byte for the kind, then the name. These bytes sort as keys
    /// do.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1 + self.name.len());
        bytes.push(self.kind as u8);
        bytes.extend_from_slice(&self.name);
        bytes
    }

    /// Returns the key that a store kept as `bytes`. `None` if no kind of record has this code.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (code, name) = bytes.split_first()?;
        Some(Self { kind: RecordKind::from_code(*code)?, name: name.to_vec() })
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}({})", self.kind, Hex(&self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_keys_come_back() {
        for declaration in RecordKind::DECLARATIONS {
            let key = Key { kind: declaration.kind, name: vec![1, 2, 3] };
            assert_eq!(Key::from_bytes(&key.to_bytes()), Some(key));
        }
        assert_eq!(Key::from_bytes(&[255, 1]), None);
        assert_eq!(Key::from_bytes(&[]), None);
    }
}
