//! PROTOCOL.md §6, Registration — the password by OPAQUE: the homeserver never sees it.
//!
//! Without the feature `opaque` no user can register; everything else works.

use crate::{error::Refusal, identifiers::UserId, operation::Context};

/// The answer to a client's first registration message.
#[cfg(feature = "opaque")]
pub(super) fn start(context: &Context, user: &UserId, request: &[u8]) -> Result<Vec<u8>, Refusal> {
    let server = crate::crypto::opaque::OpaqueServer::from_seed(&context.keys().opaque_seed);
    let name = crate::codec::encode(user);
    server.registration_start(&name, request).map_err(|_| Refusal::PasswordProtocol)
}

/// The password file made of a client's last registration message.
#[cfg(feature = "opaque")]
pub(super) fn finish(context: &Context, upload: &[u8]) -> Result<Vec<u8>, Refusal> {
    let server = crate::crypto::opaque::OpaqueServer::from_seed(&context.keys().opaque_seed);
    server.registration_finish(upload).map_err(|_| Refusal::PasswordProtocol)
}

#[cfg(not(feature = "opaque"))]
pub(super) fn start(_: &Context, _: &UserId, _: &[u8]) -> Result<Vec<u8>, Refusal> {
    Err(Refusal::RegistrationClosed)
}

#[cfg(not(feature = "opaque"))]
pub(super) fn finish(_: &Context, _: &[u8]) -> Result<Vec<u8>, Refusal> {
    Err(Refusal::RegistrationClosed)
}
