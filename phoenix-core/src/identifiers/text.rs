//! PROTOCOL.md §1, Names — identifiers as people read, write and configure them.

use super::domain::InvalidDomain;

/// Why a text is not an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIdentifier {
    /// A part that is drawn at random is not 32 hexadecimal digits.
    #[error("the part that is drawn at random is written in 32 hexadecimal digits")]
    Digits,
    /// There is no `@` before the domain, or no `/` before the client's part. The form is given.
    #[error("the name is written {0}")]
    Form(&'static str),
    /// The part after the `@` is not a domain.
    #[error(transparent)]
    Domain(#[from] InvalidDomain),
}

/// Makes serde write and read a type as the text of its `Display` and `FromStr`.
macro_rules! as_text {
    ($name:ident) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use as_text;
