//! What rules go by.

/// What a rule goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clue {
    /// Bytes of keys and contents.
    Bytes,
    /// Version tags.
    Tags,
    /// What was written together or one after the other: sequence numbers, places, times of files.
    CoWriting,
    /// What has changed between two images.
    Images,
    /// The order of names.
    Names,
    /// Sizes and numbers of rows.
    Sizes,
    /// Hours in keys.
    Hours,
}

impl Clue {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Bytes, Self::Tags, Self::CoWriting, Self::Images, Self::Names, Self::Sizes, Self::Hours];

    /// The words for it.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Tags => "version tags",
            Self::CoWriting => "co-writing",
            Self::Images => "two images",
            Self::Names => "names",
            Self::Sizes => "sizes and numbers",
            Self::Hours => "hours in keys",
        }
    }
}
