//! A row as the files have it.

use phoenix_core::store::RecordKind;

/// What stands before the content of a stored row: one byte of format, 16 of the version.
const HEADER: usize = 17;

/// A row as it was written at some time: the latest, or one that was replaced or deleted since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The kind of its record.
    pub kind: RecordKind,
    /// Its key, with the kind.
    pub key: Vec<u8>,
    /// Its version, and its content; `None` if it was deleted.
    pub content: Option<([u8; 16], Vec<u8>)>,
    /// What a thief with the key file finds in the content.
    pub opened: Vec<u8>,
    /// The engine's number of the batch that wrote it.
    pub sequence: u64,
    /// The file, by its number in the image.
    pub file: usize,
    /// Where it begins in the file.
    pub offset: u64,
}

impl Written {
    /// Returns a row with this key and this value, both as they are stored. `None` if it is not a record, but
    /// one of the engine's own.
    pub fn new(
        key: Vec<u8>,
        value: Option<Vec<u8>>,
        sequence: u64,
        file: usize,
        offset: u64,
    ) -> Option<Self> {
        let kind = RecordKind::from_code(*key.first()?)?;
        let content = match value {
            None => None,
            Some(value) => Some((value.get(1..HEADER)?.try_into().ok()?, value.get(HEADER..)?.to_vec())),
        };
        Some(Self { kind, key, content, opened: Vec::new(), sequence, file, offset })
    }

    /// The bytes of its content; none if it was deleted.
    pub fn content(&self) -> &[u8] {
        self.content.as_ref().map_or(&[], |(_, content)| content)
    }

    /// The bytes that it takes, with its key.
    pub fn size(&self) -> usize {
        self.key.len() + self.content().len()
    }

    /// The hour that its key begins with, if rows of its kind are named by one.
    pub fn hour(&self) -> Option<u32> {
        let named_by_hour = self.kind.declaration().name.starts_with("hour");
        let hour = self.key.get(1..5).filter(|_| named_by_hour)?;
        Some(u32::from_be_bytes(hour.try_into().ok()?))
    }
}
