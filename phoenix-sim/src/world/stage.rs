//! The stages of a mishap.

/// A stage of a mishap of a machine or a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// What it needs is prepared: a copy of a store.
    Prepares,
    /// It happens, or is to happen soon.
    Begins,
    /// The moment that it waited for has come.
    Strikes,
}

impl Stage {
    /// Returns the stage in words.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Prepares => "a copy of the store is due",
            Self::Begins => "it begins",
            Self::Strikes => "it strikes",
        }
    }
}
