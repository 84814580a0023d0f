//! PROTOCOL.md §1, Names — identifiers that are 16 random bytes.

/// Declares an identifier: 16 random bytes, written as 32 hexadecimal digits.
macro_rules! random_identifier {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        ///
        /// Encoded as its 16 bytes; written as 32 lower-case hexadecimal digits.
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, tls_codec::TlsSize, tls_codec::TlsSerialize,
            tls_codec::TlsDeserializeBytes,
        )]
        pub struct $name(pub [u8; 16]);

        impl $name {
            /// Draws a new identifier.
            pub fn random(random: &mut $crate::rng::Random) -> Self {
                Self(random.array())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $crate::hex::Hex(&self.0).fmt(formatter)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(formatter, concat!(stringify!($name), "({})"), $crate::hex::Hex(&self.0))
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::identifiers::text::InvalidIdentifier;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::hex::parse(text).map(Self).ok_or($crate::identifiers::text::InvalidIdentifier::Digits)
            }
        }

        $crate::identifiers::text::as_text!($name);
    };
}
pub(super) use random_identifier;
