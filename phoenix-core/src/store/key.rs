//! How rows are named.

use std::fmt;

use super::keyspace::RecordKind;
use crate::{
    codec::{Codec, encode},
    hex::Hex,
};

/// A kind of record.
pub trait Record: Codec {
    /// What names a record of this kind.
    type Name: Codec;
    /// The kind; its declaration says how it is protected.
    const KIND: RecordKind;
}

/// The name of a row: its kind and, encoded, what names it within.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    kind: RecordKind,
    name: Vec<u8>,
}

impl Key {
    /// The key of the record of kind `R` that `name` names.
    pub fn of<R: Record>(name: &R::Name) -> Self {
        Self { kind: R::KIND, name: encode(name) }
    }

    /// The kind of record.
    pub fn kind(&self) -> RecordKind {
        self.kind
    }

    /// What names it within its kind, encoded.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The key as a store keeps it: one byte for the kind, then the name. Sorts like the key.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1 + self.name.len());
        bytes.push(self.kind as u8);
        bytes.extend_from_slice(&self.name);
        bytes
    }

    /// The key that a store kept. `None` if no record kind has this code.
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
