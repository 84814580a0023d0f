//! PROTOCOL.md §3, Secrets — the keys of a homeserver, kept in its key file and never in the store.
//!
//! [`ServiceKeys`] is all of them but the root's private key, which is a [`RootKey`] and kept offline. Beside
//! them: what is published of them and until when, what an operator may see of them ([`KeySummary`]), how
//! they are kept as a file ([`KeyFileError`]), and the token keys that are derived from them. That no key of
//! a kind is valid is an error of its own ([`NoValidKey`]).

mod file;
mod publication;
mod service_keys;
mod summary;
#[cfg(test)]
mod tests;
mod tokens;

pub use file::KeyFileError;
pub use publication::{NoValidKey, QueuingKey};
pub use service_keys::{DatedKey, IntermediateKey, RootKey, ServiceKeys};
pub use summary::KeySummary;
pub(crate) use tokens::{TokenKey, TokenKeys};
