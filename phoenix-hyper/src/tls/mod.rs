//! TLS 1.3 and nothing older: how a server proves its identity, and which servers are trusted
//! (PROTOCOL.md §5, TLS).
//!
//! The cryptography provider is named wherever one is needed; nothing depends on a default of the process.

mod certificates;
#[cfg(feature = "peers")]
mod client;
mod error;
#[cfg(feature = "server")]
mod identity;
mod protocols;
#[cfg(feature = "binary")]
mod self_signed;
#[cfg(feature = "server")]
mod server;

#[cfg(feature = "peers")]
pub(crate) use self::client::ClientConfigs;
#[cfg(feature = "peers")]
pub use self::client::Roots;
pub use self::{
    certificates::certificates_from_pem,
    error::TlsError,
    protocols::{HTTP_1_1, HTTP_2},
};
#[cfg(feature = "server")]
pub use self::{identity::Identity, server::server_config};
