//! Identifiers as people read, write and configure them.

use super::domain::InvalidDomain;

/// A text that is not an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIdentifier {
    /// The random part is not 32 hexadecimal digits.
    #[error("the part that is unique at a homeserver is written in 32 hexadecimal digits")]
    Digits,
    /// There is no `@` before the domain, or no `/` before the client.
    #[error("expected {0}")]
    Form(&'static str),
    /// What stands behind the `@` is not a domain.
    #[error(transparent)]
    Domain(#[from] InvalidDomain),
}

/// Has serde write and read a type as the text of its `Display` and `FromStr`.
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
