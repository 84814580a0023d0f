//! PROTOCOL.md §2, Requests and responses — what the families of messages share.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// Declares messages: structures whose fields are encoded one after the other.
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

/// The reply of an operation that has nothing to say but that it is done. Encoded as no bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct Done;
