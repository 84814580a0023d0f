//! PROTOCOL.md §2 — what the families of messages share.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// Declares messages: structures whose fields travel one after the other.
macro_rules! message {
    ($($(#[$meta:meta])* pub struct $name:ident { $($body:tt)* })*) => {
        $(
            $(#[$meta])*
            #[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
            pub struct $name { $($body)* }
        )*
    };
}
pub(super) use message;

/// The answer of an operation that has nothing more to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct Done;
